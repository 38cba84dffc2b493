-- The trigger tasks_queue names its queue. The recording is the job's spool.
INSERT INTO tasks (job, kind, priority, due_at, input)
SELECT seq, 'diarize', priority, due_at, '{}' FROM jobs WHERE seq = :job
