INSERT INTO idempotency_keys (owner, key, job) VALUES (:owner, :key, :job)
