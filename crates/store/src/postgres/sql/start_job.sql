UPDATE jobs SET
  status = 'processing',
  started_at = coalesce(started_at, :now),
  attempts = greatest(attempts, (SELECT failures + crashes + 1 FROM tasks WHERE id = :task))
WHERE seq = :job
