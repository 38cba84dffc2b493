-- What exactly went wrong with a failed job, where its error_code stands for several causes. NULL otherwise, and from programs of
-- earlier releases.
ALTER TABLE jobs ADD COLUMN error_reason TEXT;

-- Recordings that are still to be fetched.
CREATE INDEX tasks_fetch ON tasks (job) WHERE kind = 'fetch';
