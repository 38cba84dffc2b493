SELECT webhook_id, event, status, attempts, last_attempt_at, next_at, response_status, reason
FROM deliveries WHERE job = :job ORDER BY id
