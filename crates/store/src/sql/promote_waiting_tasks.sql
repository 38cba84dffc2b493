UPDATE tasks SET status = 'ready', run_at = NULL WHERE status = 'waiting' AND run_at <= :now
