-- Changes nothing if the job has begun and had this many attempts.
UPDATE jobs SET
  status = 'processing',
  started_at = coalesce(started_at, :now),
  attempts = CASE WHEN attempts < :attempt THEN :attempt ELSE attempts END
WHERE seq = :job AND (status = 'pending' OR attempts < :attempt)
