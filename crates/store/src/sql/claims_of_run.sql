SELECT claim_id FROM tasks WHERE run_id = :run_id AND status = 'claimed'
