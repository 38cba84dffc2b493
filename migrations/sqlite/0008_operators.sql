-- Settings that have to be the same in every process of a queue, as the process that started last has them.
CREATE TABLE settings (
  name  TEXT PRIMARY KEY,                                      -- of the environment variable
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Uploads in progress of keys with a quota: what they will need counts from their beginning. One that is submitted or
-- given up has no row; the sweep removes the rows of processes that died.
CREATE TABLE uploads (
  id    BLOB PRIMARY KEY CHECK (length(id) = 16),              -- the id that its job gets; names its file
  owner TEXT NOT NULL,
  bytes INTEGER NOT NULL CHECK (bytes >= 0)                    -- announced, or received so far
) STRICT, WITHOUT ROWID;
CREATE INDEX uploads_owner ON uploads (owner);

-- Size of the decoded recording while the job is unfinished. It counts as stored bytes of the job's owner.
ALTER TABLE jobs ADD COLUMN spool_bytes INTEGER NOT NULL DEFAULT 0 CHECK (spool_bytes >= 0);

ALTER TABLE owners ADD COLUMN stored_jobs INTEGER NOT NULL DEFAULT 0 CHECK (stored_jobs >= 0);     -- ended ones included
ALTER TABLE owners ADD COLUMN prepared_jobs INTEGER NOT NULL DEFAULT 0 CHECK (prepared_jobs >= 0); -- unfinished, with a spool
-- An owner may have ended jobs alone, from before there were rows of owners.
INSERT INTO owners (owner) SELECT DISTINCT owner FROM jobs WHERE true ON CONFLICT DO NOTHING;
UPDATE owners SET
  stored_jobs = (SELECT count(*) FROM jobs WHERE jobs.owner = owners.owner),
  prepared_jobs = (SELECT count(*) FROM jobs
    WHERE jobs.owner = owners.owner AND jobs.finished_at IS NULL AND jobs.spool IS NOT NULL);

CREATE TRIGGER owners_store AFTER INSERT ON jobs BEGIN
  INSERT INTO owners (owner, served_ms, stored_jobs) SELECT NEW.owner, served_ms, 1 FROM fairness WHERE true
  ON CONFLICT (owner) DO UPDATE SET stored_jobs = stored_jobs + 1;
END;
CREATE TRIGGER owners_forget AFTER DELETE ON jobs BEGIN
  UPDATE owners SET stored_jobs = stored_jobs - 1 WHERE owner = OLD.owner;
END;
CREATE TRIGGER owners_prepare AFTER UPDATE OF spool, spool_bytes ON jobs WHEN NEW.finished_at IS NULL BEGIN
  UPDATE owners SET stored_bytes = stored_bytes + NEW.spool_bytes - OLD.spool_bytes,
    prepared_jobs = prepared_jobs + (NEW.spool IS NOT NULL) - (OLD.spool IS NOT NULL)
  WHERE owner = NEW.owner;
END;

DROP TRIGGER owners_leave_ended;
CREATE TRIGGER owners_leave_ended AFTER UPDATE OF finished_at ON jobs
WHEN OLD.finished_at IS NULL AND NEW.finished_at IS NOT NULL BEGIN
  UPDATE owners SET unfinished_jobs = unfinished_jobs - 1, prepared_jobs = prepared_jobs - (OLD.spool IS NOT NULL),
    stored_bytes = stored_bytes - OLD.spool_bytes - (SELECT audio_bytes FROM inputs WHERE job = NEW.seq)
  WHERE owner = NEW.owner;
END;
DROP TRIGGER owners_leave_deleted;
CREATE TRIGGER owners_leave_deleted BEFORE DELETE ON jobs WHEN OLD.finished_at IS NULL BEGIN
  UPDATE owners SET unfinished_jobs = unfinished_jobs - 1, prepared_jobs = prepared_jobs - (OLD.spool IS NOT NULL),
    stored_bytes = stored_bytes - OLD.spool_bytes - (SELECT audio_bytes FROM inputs WHERE job = OLD.seq)
  WHERE owner = OLD.owner;
END;

-- A key with many prepared jobs transcribes them before it prepares more.
CREATE INDEX tasks_ready_spans ON tasks (owner, priority DESC, due_at, id) WHERE status = 'ready' AND kind = 'transcribe';
-- Pages of the list of jobs.
CREATE INDEX jobs_listed ON jobs (owner, created_at DESC, id DESC);
