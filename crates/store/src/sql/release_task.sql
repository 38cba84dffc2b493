UPDATE tasks SET status = 'ready', claim_id = NULL, run_id = NULL
WHERE id = :task AND claim_id = :claim_id AND status = 'claimed'
