SELECT 1 FROM tasks
WHERE status = 'ready' AND kind IN (SELECT value FROM json_each(:kinds))
  AND owner NOT IN (SELECT value FROM json_each(:full_queues))
  AND NOT EXISTS (SELECT 1 FROM inputs, json_each(inputs.requires) AS required
    WHERE inputs.job = tasks.job AND required.value NOT IN (SELECT value FROM json_each(:known)))
UNION ALL
SELECT 1 FROM tasks WHERE status = 'waiting' AND run_at <= :now
LIMIT 1
