-- A job that is about to be deleted would be gone before its client has read it.
SELECT jobs.seq AS seq, jobs.id AS id, jobs.status AS status, jobs.created_at AS created_at,
  jobs.ttl_deadline AS ttl_deadline, inputs.fingerprint AS fingerprint
FROM inputs JOIN jobs ON jobs.seq = inputs.job
WHERE inputs.fingerprint = :fingerprint AND inputs.shared = 1 AND jobs.owner = :owner AND jobs.status <> 'failed'
  AND jobs.ttl_deadline > :still_there_at AND (jobs.delete_after IS NULL OR jobs.delete_after > :still_there_at)
ORDER BY jobs.seq LIMIT 1
