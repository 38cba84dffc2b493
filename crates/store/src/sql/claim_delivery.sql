UPDATE deliveries SET claim_id = :claim_id, run_id = :run_id
WHERE id = :id AND status = 'pending' AND run_id IS NULL
