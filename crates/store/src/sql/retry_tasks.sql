-- The next try is the first again, and it is due now.
UPDATE tasks SET status = 'ready', run_at = NULL, failures = 0, crashes = 0
WHERE status IN ('ready', 'waiting') AND (status = 'waiting' OR failures > 0 OR crashes > 0)
  AND EXISTS (SELECT 1 FROM jobs WHERE jobs.seq = tasks.job AND jobs.id = coalesce(:id, jobs.id))
