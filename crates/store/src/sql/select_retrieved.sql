-- A job stays until its webhooks are sent, or to its deadline.
SELECT seq FROM jobs WHERE delete_after IS NOT NULL AND delete_after <= :now
  AND NOT EXISTS (SELECT 1 FROM deliveries WHERE deliveries.job = jobs.seq AND deliveries.status = 'pending')
ORDER BY delete_after LIMIT :batch
