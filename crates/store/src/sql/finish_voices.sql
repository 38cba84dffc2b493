-- `is_last` is about the tasks of this kind alone.
UPDATE tasks SET status = 'done', output = :output, claim_id = NULL, run_id = NULL
WHERE id = :task AND claim_id = :claim_id AND status = 'claimed'
RETURNING claimed_at,
  NOT EXISTS (SELECT 1 FROM tasks AS other
    WHERE other.job = tasks.job AND other.kind = 'voices' AND other.id <> tasks.id AND other.status <> 'done') AS is_last
