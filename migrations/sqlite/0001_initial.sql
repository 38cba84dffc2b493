-- The queue: what clients see (jobs), what workers claim (tasks), and what is left to delete (gc).
-- Times are milliseconds since 1970 unless a column's comment says otherwise.

-- A recording that a client submitted. Narrow, because an UPDATE rewrites the whole record.
CREATE TABLE jobs (
  seq                  INTEGER PRIMARY KEY AUTOINCREMENT,      -- order of submission; never reused
  id                   BLOB NOT NULL UNIQUE CHECK (length(id) = 16),
  status               TEXT NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'processing', 'completed', 'failed')),
  priority             INTEGER NOT NULL CHECK (priority BETWEEN -10 AND 10),
  due_at               INTEGER NOT NULL,                       -- submission + expected compute time; orders claims
  attempts             INTEGER NOT NULL DEFAULT 0,             -- 1 + most failures and crashes of one of its tasks
  language             TEXT,                                   -- as asked for, or as detected
  language_probability REAL,                                   -- of a detected language, 0 to 1
  duration_ms          INTEGER,                                -- length of the decoded recording
  speech_ms            INTEGER,                                -- speech planned, in all spans
  done_ms              INTEGER NOT NULL DEFAULT 0,             -- speech transcribed so far
  spool                TEXT,                                   -- name of the decoded audio in spool/
  created_at           INTEGER NOT NULL,
  started_at           INTEGER,
  finished_at          INTEGER,
  retrieved_at         INTEGER,
  delete_after         INTEGER,                                -- end of the grace period after retrieval
  ttl_deadline         INTEGER NOT NULL,
  error_code           TEXT,
  error_message        TEXT,
  CHECK (status <> 'pending' OR started_at IS NULL),
  CHECK (status NOT IN ('processing', 'completed') OR started_at IS NOT NULL),
  CHECK ((status IN ('completed', 'failed')) = (finished_at IS NOT NULL)),
  CHECK ((status = 'failed') = (error_code IS NOT NULL)),
  CHECK (retrieved_at IS NULL OR status = 'completed'),
  CHECK ((retrieved_at IS NULL) = (delete_after IS NULL))
) STRICT;
CREATE INDEX jobs_pending ON jobs (priority DESC, due_at, seq) WHERE status = 'pending';
CREATE INDEX jobs_ttl ON jobs (ttl_deadline);
CREATE INDEX jobs_retrieved ON jobs (delete_after) WHERE delete_after IS NOT NULL;

-- What was submitted; read when a task is claimed, never changed.
CREATE TABLE inputs (
  job          INTEGER PRIMARY KEY REFERENCES jobs (seq) ON DELETE CASCADE,
  options      TEXT NOT NULL CHECK (json_valid(options)),      -- TranscribeRequest
  audio        TEXT NOT NULL UNIQUE,                           -- file name in audio/
  audio_bytes  INTEGER NOT NULL,
  audio_sha256 BLOB NOT NULL CHECK (length(audio_sha256) = 32)
) STRICT;

-- The transcript of a completed job.
CREATE TABLE results (
  job  INTEGER PRIMARY KEY REFERENCES jobs (seq) ON DELETE CASCADE,
  body TEXT NOT NULL CHECK (json_valid(body))                  -- JobResult
) STRICT;

-- A process that claims tasks. Its lease is in CLOCK_BOOTTIME milliseconds: wall clock jumps change nothing.
CREATE TABLE workers (
  run_id      TEXT PRIMARY KEY,                                -- random, one per process; names its lock file
  boot_id     TEXT NOT NULL,                                   -- the boot the lease's clock belongs to
  lease_until INTEGER NOT NULL,                                -- CLOCK_BOOTTIME milliseconds
  pid         INTEGER NOT NULL,
  slots       INTEGER NOT NULL,
  model       TEXT NOT NULL,
  started_at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- One unit of work of a job that has not ended. A job that ends has no tasks.
CREATE TABLE tasks (
  id          INTEGER PRIMARY KEY AUTOINCREMENT,               -- never reused: claims name it
  job         INTEGER NOT NULL REFERENCES jobs (seq) ON DELETE CASCADE,
  kind        TEXT NOT NULL CHECK (kind IN ('prepare', 'transcribe')),
  span_index  INTEGER,                                         -- order of the span in the recording, from 0
  start_sample INTEGER,                                        -- of the span in the spool, at 16 kHz
  end_sample  INTEGER,
  status      TEXT NOT NULL DEFAULT 'ready' CHECK (status IN ('ready', 'waiting', 'claimed', 'done')),
  priority    INTEGER NOT NULL,                                -- the job's
  due_at      INTEGER NOT NULL,                                -- the job's
  run_at      INTEGER,                                         -- when a waiting task becomes ready
  claim_id    BLOB CHECK (length(claim_id) = 16),              -- the fence: random, new for every claim
  run_id      TEXT REFERENCES workers (run_id),
  failures    INTEGER NOT NULL DEFAULT 0,                      -- times the engine said no
  crashes     INTEGER NOT NULL DEFAULT 0,                      -- times the worker died
  segments    TEXT CHECK (json_valid(segments)),               -- what a done span yielded
  UNIQUE (job, span_index),
  CHECK ((kind = 'transcribe') = (span_index IS NOT NULL AND start_sample IS NOT NULL AND end_sample IS NOT NULL)),
  CHECK ((status = 'claimed') = (claim_id IS NOT NULL AND run_id IS NOT NULL)),
  CHECK ((status = 'waiting') = (run_at IS NOT NULL)),
  CHECK ((status = 'done') = (segments IS NOT NULL)),
  CHECK (status <> 'done' OR kind = 'transcribe')
) STRICT;
CREATE INDEX tasks_ready ON tasks (priority DESC, due_at, id) WHERE status = 'ready';
CREATE INDEX tasks_waiting ON tasks (run_at) WHERE status = 'waiting';
CREATE INDEX tasks_claimed ON tasks (run_id) WHERE status = 'claimed';
CREATE INDEX tasks_unfinished ON tasks (job) WHERE status <> 'done';

-- What is left of a deleted job for a while. No content.
CREATE TABLE tombstones (
  id           BLOB PRIMARY KEY CHECK (length(id) = 16),
  status       TEXT NOT NULL,                                  -- of the job when it was deleted
  reason       TEXT NOT NULL CHECK (reason IN ('retrieved', 'expired', 'deleted')),
  created_at   INTEGER NOT NULL,                               -- of the job
  deleted_at   INTEGER NOT NULL,
  ttl_deadline INTEGER NOT NULL,                               -- of the job
  forget_at    INTEGER NOT NULL                                -- from then on the answer is 404
) STRICT, WITHOUT ROWID;
CREATE INDEX tombstones_forget ON tombstones (forget_at);

-- Files that must go, written in the transaction that makes them useless and removed after the unlink is durable.
CREATE TABLE gc (
  path TEXT PRIMARY KEY                                        -- relative to the data folder
) STRICT, WITHOUT ROWID;

CREATE TRIGGER jobs_guard BEFORE UPDATE OF status ON jobs
WHEN NEW.status <> OLD.status AND NOT (
  (OLD.status = 'pending' AND NEW.status IN ('processing', 'failed'))
  OR (OLD.status = 'processing' AND NEW.status = 'failed')
  OR (OLD.status = 'processing' AND NEW.status = 'completed' AND EXISTS (SELECT 1 FROM results WHERE job = NEW.seq)))
BEGIN SELECT RAISE(ABORT, 'illegal job transition'); END;

CREATE TRIGGER tasks_guard BEFORE UPDATE OF status, claim_id ON tasks
WHEN (OLD.status = 'done' AND NEW.status <> 'done')
  OR (NEW.status = 'done' AND OLD.status NOT IN ('claimed', 'done'))
  OR (NEW.status = 'claimed' AND OLD.status NOT IN ('ready', 'claimed'))
  OR (NEW.status = 'claimed' AND OLD.status = 'claimed' AND NEW.claim_id IS NOT OLD.claim_id)
BEGIN SELECT RAISE(ABORT, 'illegal task transition'); END;
