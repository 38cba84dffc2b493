-- One that is being sent stays as it is. The schedule begins again.
UPDATE deliveries SET status = 'pending', attempts = 0, next_at = :now
WHERE job = :job AND run_id IS NULL
