INSERT INTO tasks (job, owner, kind, priority, due_at)
SELECT seq, owner, 'prepare', priority, due_at FROM jobs WHERE seq = :job
