-- What a block of a recording yielded: its voices, or why there are none.
SELECT tasks.output AS output, task_data.body AS body
FROM tasks LEFT JOIN task_data ON task_data.task = tasks.id AND task_data.name = 'voices'
WHERE tasks.job = :job AND tasks.kind = 'voices' AND tasks.span_index = :block AND tasks.status = 'done'
