UPDATE deliveries SET status = :status, attempts = attempts + 1, next_at = :next_at, last_attempt_at = :now,
  response_status = :response_status, reason = :reason, run_id = NULL, claim_id = NULL
WHERE id = :id AND claim_id = :claim_id AND run_id = :run_id
RETURNING (SELECT id FROM jobs WHERE seq = job)
