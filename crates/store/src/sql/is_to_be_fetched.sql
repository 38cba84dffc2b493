SELECT 1 FROM tasks JOIN jobs ON jobs.seq = tasks.job WHERE jobs.id = :id AND tasks.kind = 'fetch'
