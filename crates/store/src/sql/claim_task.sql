-- The inner select walks the partial index tasks_ready: its cost does not depend on the backlog.
UPDATE tasks SET status = 'claimed', claim_id = :claim_id, run_id = :run_id, claimed_at = :now
WHERE id = (SELECT id FROM tasks WHERE status = 'ready' ORDER BY priority DESC, due_at, id LIMIT 1)
RETURNING id, job, kind
