UPDATE deliveries SET run_id = NULL, claim_id = NULL WHERE id = :id AND claim_id = :claim_id
