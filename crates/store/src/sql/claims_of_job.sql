SELECT claim_id FROM tasks WHERE job = :job AND status = 'claimed'
