UPDATE deliveries SET status = 'failed', next_at = NULL, reason = 'unreadable', run_id = NULL, claim_id = NULL WHERE id = :id
