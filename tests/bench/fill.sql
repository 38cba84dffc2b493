-- Copies of the newest job, with its input and its task.
BEGIN IMMEDIATE;
CREATE TEMP TABLE copies AS
  WITH RECURSIVE counter (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM counter WHERE n < :copies)
  SELECT n, (SELECT max(seq) FROM jobs) AS seed FROM counter;
INSERT INTO jobs (seq, id, priority, due_at, created_at, ttl_deadline)
  SELECT seed + n, randomblob(16), priority, due_at, created_at, ttl_deadline FROM copies JOIN jobs ON seq = seed;
INSERT INTO inputs (job, options, audio, audio_bytes, audio_sha256)
  SELECT seed + n, options, audio || n, audio_bytes, audio_sha256 FROM copies JOIN inputs ON job = seed;
INSERT INTO tasks (job, kind, priority, due_at)
  SELECT seed + n, 'prepare', priority, due_at FROM copies JOIN jobs ON seq = seed;
COMMIT;
