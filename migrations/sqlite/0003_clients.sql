-- What equal submissions are recognised by: SHA-256 of the recording's SHA-256 and the options. NULL before this migration.
ALTER TABLE inputs ADD COLUMN fingerprint BLOB CHECK (length(fingerprint) = 32);
-- Whether an equal submission attaches to this job instead of becoming one of its own.
ALTER TABLE inputs ADD COLUMN shared INTEGER NOT NULL DEFAULT 0 CHECK (shared IN (0, 1));
CREATE INDEX inputs_shared ON inputs (fingerprint) WHERE shared = 1;

-- Name of the API key the job was submitted with; empty where the api asks for none. Another key's job is not there.
ALTER TABLE jobs ADD COLUMN owner TEXT NOT NULL DEFAULT '';
ALTER TABLE tombstones ADD COLUMN owner TEXT NOT NULL DEFAULT '';

-- Names that clients gave to submissions, so that one they repeat is not a second job. They go with their job.
CREATE TABLE idempotency_keys (
  owner TEXT NOT NULL,                                         -- the job's
  key   TEXT NOT NULL,
  job   INTEGER NOT NULL REFERENCES jobs (seq) ON DELETE CASCADE,
  PRIMARY KEY (owner, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_keys_job ON idempotency_keys (job);

-- Weights that jobs may ask for, as the worker that spoke last has them. They stay while no worker runs.
CREATE TABLE models (
  name TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;

-- When a claimed task was claimed, to know how long it took.
ALTER TABLE tasks ADD COLUMN claimed_at INTEGER;

-- What has happened since the database was made, for /metrics. A name may have one label, as in deletions{reason="expired"}.
CREATE TABLE counters (
  name  TEXT NOT NULL,
  label TEXT NOT NULL DEFAULT '',
  value REAL NOT NULL,
  PRIMARY KEY (name, label)
) STRICT, WITHOUT ROWID;

-- How far the wall clock was ahead of the time since boot when it was last looked at. A change of it is a jump of the clock.
CREATE TABLE clock (
  id        INTEGER PRIMARY KEY CHECK (id = 1),
  boot_id   TEXT NOT NULL,
  offset_ms INTEGER NOT NULL
) STRICT;
