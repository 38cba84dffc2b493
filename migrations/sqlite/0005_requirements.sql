-- Names of the options that a worker must know to do the job, as a JSON array. A worker leaves the others alone.
ALTER TABLE inputs ADD COLUMN requires TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(requires));

-- Workers of earlier releases do not read `requires`. They find a task only under its owner's name, so the tasks of a job that
-- requires something have a name of their own: the owner's and U+001F, which no name of a key contains.
DROP TRIGGER tasks_of_earlier_releases;
CREATE TRIGGER tasks_of_earlier_releases AFTER INSERT ON tasks
WHEN NEW.owner IS NOT (SELECT owner || iif(requires = '[]', '', char(31)) FROM jobs JOIN inputs ON job = seq WHERE seq = NEW.job)
BEGIN
  UPDATE tasks SET owner =
    (SELECT owner || iif(requires = '[]', '', char(31)) FROM jobs JOIN inputs ON job = seq WHERE seq = NEW.job)
  WHERE id = NEW.id;
END;
