UPDATE tasks SET status = 'waiting', run_at = :run_at, failures = failures + :failures, claim_id = NULL, run_id = NULL
WHERE id = :task AND claim_id = :claim_id AND status = 'claimed'
