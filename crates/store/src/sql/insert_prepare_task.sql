INSERT INTO tasks (job, owner, kind, priority, due_at)
SELECT jobs.seq, jobs.owner || iif(inputs.requires = '[]', '', char(31)), 'prepare', jobs.priority, jobs.due_at
FROM jobs JOIN inputs ON inputs.job = jobs.seq WHERE jobs.seq = :job
