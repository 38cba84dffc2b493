UPDATE tasks SET status = 'ready', claim_id = NULL, run_id = NULL WHERE run_id = :run_id AND status = 'claimed'
