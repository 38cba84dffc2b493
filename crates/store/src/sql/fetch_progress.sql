SELECT tasks.status AS status, task_data.body AS progress
FROM tasks LEFT JOIN task_data ON task_data.task = tasks.id AND task_data.name = 'progress'
WHERE tasks.job = :job AND tasks.kind = 'fetch'
