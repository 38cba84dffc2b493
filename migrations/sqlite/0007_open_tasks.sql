-- Makes tasks open: any kind, any input, any output. Rebuilds the table, because SQLite cannot drop a CHECK.
-- Programs of earlier releases go on beside this one: every column that they read or write is still there.
CREATE TABLE open_tasks (
  id           INTEGER PRIMARY KEY AUTOINCREMENT,              -- never reused: claims name it
  job          INTEGER NOT NULL REFERENCES jobs (seq) ON DELETE CASCADE,
  kind         TEXT NOT NULL CHECK (kind <> ''),               -- TaskKind; a program leaves kinds alone that it does not know
  owner        TEXT NOT NULL DEFAULT '',                       -- the queue: see the trigger tasks_queue
  status       TEXT NOT NULL DEFAULT 'ready' CHECK (status IN ('ready', 'waiting', 'claimed', 'done')),
  priority     INTEGER NOT NULL,                               -- the job's
  due_at       INTEGER NOT NULL,                               -- the job's
  run_at       INTEGER,                                        -- when a waiting task becomes ready
  claim_id     BLOB CHECK (length(claim_id) = 16),             -- the fence: random, new for every claim
  run_id       TEXT REFERENCES workers (run_id),
  claimed_at   INTEGER,                                        -- of the last claim
  failures     INTEGER NOT NULL DEFAULT 0,                     -- times the decoder or the engine failed on it
  crashes      INTEGER NOT NULL DEFAULT 0,                     -- times the worker died
  is_suspect   INTEGER NOT NULL DEFAULT 0 CHECK (is_suspect IN (0, 1)), -- a worker died with it: it runs alone

  -- The span of a `transcribe` task and what it yielded, in the columns that earlier releases know.
  span_index   INTEGER,                                        -- order of the span in the recording, from 0
  start_sample INTEGER,                                        -- of the span in the spool, at 16 kHz
  end_sample   INTEGER,
  stretches    TEXT CHECK (json_valid(stretches)),             -- [[start_sample, end_sample], …], in order and disjoint
  certainty    TEXT,                                           -- 'speech' or 'doubtful'; NULL means 'speech'
  language     TEXT,                                           -- of the span; NULL means the job's
  segments     TEXT CHECK (json_valid(segments)),              -- what a done span yielded
  outcome      TEXT CHECK (json_valid(outcome)),               -- SpanOutcome; NULL from earlier releases

  -- What a task of any other kind was given, and what it yielded.
  input        TEXT CHECK (json_valid(input)),
  output       TEXT CHECK (json_valid(output)),

  UNIQUE (job, kind, span_index),
  CHECK (kind <> 'transcribe' OR (span_index IS NOT NULL AND start_sample IS NOT NULL AND end_sample IS NOT NULL)),
  CHECK ((status = 'claimed') = (claim_id IS NOT NULL AND run_id IS NOT NULL)),
  CHECK ((status = 'waiting') = (run_at IS NOT NULL)),
  CHECK (status <> 'done' OR segments IS NOT NULL OR output IS NOT NULL)
) STRICT;
INSERT INTO open_tasks (id, job, kind, owner, status, priority, due_at, run_at, claim_id, run_id, claimed_at, failures, crashes,
    is_suspect, span_index, start_sample, end_sample, stretches, certainty, language, segments, outcome)
  SELECT id, job, kind, owner, status, priority, due_at, run_at, claim_id, run_id, claimed_at, failures, crashes,
    is_suspect, span_index, start_sample, end_sample, stretches, certainty, language, segments, outcome
  FROM tasks;
-- Ids go on where they were, also where the old table was empty.
DELETE FROM sqlite_sequence WHERE name = 'open_tasks';
INSERT INTO sqlite_sequence (name, seq) SELECT 'open_tasks', seq FROM sqlite_sequence WHERE name = 'tasks';
DROP TABLE tasks;
ALTER TABLE open_tasks RENAME TO tasks;

CREATE INDEX tasks_ready ON tasks (owner, priority DESC, due_at, id) WHERE status = 'ready';
CREATE INDEX tasks_waiting ON tasks (run_at) WHERE status = 'waiting';
CREATE INDEX tasks_claimed ON tasks (run_id) WHERE status = 'claimed';
CREATE INDEX tasks_unfinished ON tasks (job) WHERE status <> 'done';

CREATE TRIGGER tasks_guard BEFORE UPDATE OF status, claim_id ON tasks
WHEN (OLD.status = 'done' AND NEW.status <> 'done')
  OR (NEW.status = 'done' AND OLD.status NOT IN ('claimed', 'done'))
  OR (NEW.status = 'claimed' AND OLD.status NOT IN ('ready', 'claimed'))
  OR (NEW.status = 'claimed' AND OLD.status = 'claimed' AND NEW.claim_id IS NOT OLD.claim_id)
BEGIN SELECT RAISE(ABORT, 'illegal task transition'); END;

-- Every task is put into its queue here, whatever the program that inserts it writes as owner:
-- the owner's name where any release can do it; with U+001F, which no name contains, where the job requires something;
-- with U+001F and the kind where the kind is not one of the first release, whose workers claim any task in a queue that they see.
CREATE TRIGGER tasks_queue AFTER INSERT ON tasks
BEGIN
  UPDATE tasks SET owner = (
      SELECT jobs.owner || CASE
        WHEN NEW.kind NOT IN ('prepare', 'transcribe') THEN char(31) || NEW.kind
        WHEN inputs.requires <> '[]' THEN char(31)
        ELSE '' END
      FROM jobs JOIN inputs ON inputs.job = jobs.seq WHERE jobs.seq = NEW.job)
  WHERE id = NEW.id;
END;

-- What a task yields beside its output, for a later task of its job to read: `speakers`, for example. Goes with the job.
CREATE TABLE task_data (
  task INTEGER NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
  name TEXT NOT NULL CHECK (name <> ''),                       -- what it is; a program ignores names that it does not know
  body BLOB NOT NULL,
  PRIMARY KEY (task, name)
) STRICT;

-- The size of a recording is known later than its job where it has to be fetched first.
CREATE TRIGGER owners_recount_bytes AFTER UPDATE OF audio_bytes ON inputs
WHEN (SELECT finished_at FROM jobs WHERE seq = NEW.job) IS NULL
BEGIN
  UPDATE owners SET stored_bytes = stored_bytes + NEW.audio_bytes - OLD.audio_bytes
  WHERE owner = (SELECT owner FROM jobs WHERE seq = NEW.job);
END;
