SELECT id, claim_id FROM deliveries WHERE run_id = :run_id
