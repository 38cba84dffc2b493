-- 0004_trust.sql was changed after its release. This adds what its first edition lacks: all statements of the second edition
-- that are not in the first. The order of the columns does not matter, because every statement names them.
CREATE TRIGGER tasks_of_earlier_releases AFTER INSERT ON tasks
WHEN NEW.owner IS NOT (SELECT owner FROM jobs WHERE seq = NEW.job) BEGIN
  UPDATE tasks SET owner = (SELECT owner FROM jobs WHERE seq = NEW.job) WHERE id = NEW.id;
END;
ALTER TABLE tasks ADD COLUMN is_suspect INTEGER NOT NULL DEFAULT 0 CHECK (is_suspect IN (0, 1));
ALTER TABLE inputs ADD COLUMN request_id TEXT NOT NULL DEFAULT '';
