-- The next webhook to send: first attempts before repeated ones, and few at a time for each receiver, so that one that
-- does not answer delays no other.
SELECT id FROM deliveries
WHERE status = 'pending' AND run_id IS NULL AND next_at <= :now
  AND (SELECT count(*) FROM deliveries AS busy WHERE busy.run_id IS NOT NULL AND busy.origin = deliveries.origin) < :per_origin
ORDER BY attempts, next_at LIMIT 1
