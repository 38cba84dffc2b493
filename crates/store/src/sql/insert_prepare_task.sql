-- The trigger tasks_queue names its queue.
INSERT INTO tasks (job, kind, priority, due_at)
SELECT seq, 'prepare', priority, due_at FROM jobs WHERE seq = :job
