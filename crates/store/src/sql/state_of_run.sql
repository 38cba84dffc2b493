-- What decides whether a run may claim; no row where it is not registered. `has_suspect` is NULL where the run has no claims.
SELECT (SELECT max(is_suspect) FROM tasks WHERE run_id = :run_id AND status = 'claimed') AS has_suspect,
  EXISTS (SELECT 1 FROM tasks WHERE status = 'waiting' AND run_at <= :now) AS has_due_tasks
FROM workers WHERE run_id = :run_id
