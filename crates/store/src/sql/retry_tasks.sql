-- The next try is the first again, and it is due now.
UPDATE tasks SET status = 'ready', run_at = NULL, failures = 0, crashes = 0
WHERE status IN ('ready', 'waiting') AND (status = 'waiting' OR failures > 0 OR crashes > 0)
  AND (:id IS NULL OR job = (SELECT seq FROM jobs WHERE id = :id))
