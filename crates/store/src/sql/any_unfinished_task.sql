SELECT 1 FROM tasks WHERE job = :job AND status <> 'done'
