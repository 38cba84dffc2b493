-- What 0004_trust.sql was when it was released first. Never applied: the script of the test fixtures reads it.
-- What each API key has in the queue, and how much work it was given: claims take turns between keys. One row stays for each
-- key that ever submitted a job; the empty name is that of everybody, where the api asks for no keys.
CREATE TABLE owners (
  owner           TEXT PRIMARY KEY,
  unfinished_jobs INTEGER NOT NULL DEFAULT 0 CHECK (unfinished_jobs >= 0),
  stored_bytes    INTEGER NOT NULL DEFAULT 0 CHECK (stored_bytes >= 0), -- recordings of its unfinished jobs
  served_ms       INTEGER NOT NULL DEFAULT 0                            -- virtual time: expected compute time it was given
) STRICT, WITHOUT ROWID;
CREATE INDEX owners_active ON owners (served_ms) WHERE unfinished_jobs > 0;
INSERT INTO owners (owner, unfinished_jobs, stored_bytes)
SELECT jobs.owner, count(*), sum(inputs.audio_bytes) FROM jobs JOIN inputs ON inputs.job = jobs.seq
WHERE jobs.finished_at IS NULL GROUP BY jobs.owner;

-- The virtual time of the last claim. A key that submits after a while begins here: it has no credit from idle times.
CREATE TABLE fairness (
  id        INTEGER PRIMARY KEY CHECK (id = 1),
  served_ms INTEGER NOT NULL
) STRICT;
INSERT INTO fairness (id, served_ms) VALUES (1, 0);

-- An input is inserted once, when its job is; the job leaves the queue when it ends or is deleted before.
CREATE TRIGGER owners_enter AFTER INSERT ON inputs BEGIN
  INSERT INTO owners (owner, served_ms) SELECT jobs.owner, fairness.served_ms FROM jobs, fairness WHERE jobs.seq = NEW.job
  ON CONFLICT (owner) DO UPDATE SET served_ms = max(owners.served_ms, excluded.served_ms) WHERE owners.unfinished_jobs = 0;
  UPDATE owners SET unfinished_jobs = unfinished_jobs + 1, stored_bytes = stored_bytes + NEW.audio_bytes
  WHERE owner = (SELECT owner FROM jobs WHERE seq = NEW.job);
END;
CREATE TRIGGER owners_leave_ended AFTER UPDATE OF finished_at ON jobs
WHEN OLD.finished_at IS NULL AND NEW.finished_at IS NOT NULL BEGIN
  UPDATE owners SET unfinished_jobs = unfinished_jobs - 1,
    stored_bytes = stored_bytes - (SELECT audio_bytes FROM inputs WHERE job = NEW.seq)
  WHERE owner = NEW.owner;
END;
CREATE TRIGGER owners_leave_deleted BEFORE DELETE ON jobs WHEN OLD.finished_at IS NULL BEGIN
  UPDATE owners SET unfinished_jobs = unfinished_jobs - 1,
    stored_bytes = stored_bytes - (SELECT audio_bytes FROM inputs WHERE job = OLD.seq)
  WHERE owner = OLD.owner;
END;

ALTER TABLE tasks ADD COLUMN owner TEXT NOT NULL DEFAULT '';  -- the job's
UPDATE tasks SET owner = (SELECT owner FROM jobs WHERE jobs.seq = tasks.job);
DROP INDEX tasks_ready;
CREATE INDEX tasks_ready ON tasks (owner, priority DESC, due_at, id) WHERE status = 'ready';
DROP INDEX jobs_pending;
CREATE INDEX jobs_pending ON jobs (owner, priority DESC, due_at, seq) WHERE status = 'pending';

ALTER TABLE workers ADD COLUMN version TEXT NOT NULL DEFAULT '';  -- of the program, with what it was built for
