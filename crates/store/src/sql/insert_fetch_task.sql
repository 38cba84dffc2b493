-- The trigger tasks_queue names its queue. The input holds the address, which is nowhere else.
INSERT INTO tasks (job, kind, priority, due_at, input)
SELECT seq, 'fetch', priority, due_at, :input FROM jobs WHERE seq = :job
