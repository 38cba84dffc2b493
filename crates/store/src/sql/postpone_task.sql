UPDATE tasks SET status = 'waiting', run_at = :run_at, failures = failures + 1, claim_id = NULL, run_id = NULL
WHERE id = :task
