UPDATE jobs SET
  status = 'processing',
  started_at = coalesce(started_at, :now),
  attempts = max(attempts, (SELECT failures + crashes + 1 FROM tasks WHERE id = :task))
WHERE seq = :job
