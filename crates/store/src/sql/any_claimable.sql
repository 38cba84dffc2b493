SELECT 1 FROM tasks WHERE status = 'ready'
UNION ALL
SELECT 1 FROM tasks WHERE status = 'waiting' AND run_at <= :now
LIMIT 1
