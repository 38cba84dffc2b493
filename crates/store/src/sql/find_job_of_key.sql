SELECT jobs.seq AS seq, jobs.id AS id, jobs.status AS status, jobs.created_at AS created_at,
  jobs.ttl_deadline AS ttl_deadline, inputs.fingerprint AS fingerprint
FROM idempotency_keys JOIN jobs ON jobs.seq = idempotency_keys.job JOIN inputs ON inputs.job = jobs.seq
WHERE idempotency_keys.owner = :owner AND idempotency_keys.key = :key
