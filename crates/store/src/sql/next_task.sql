-- The best task of the owner that was served least. Both walk an index, so that the cost does not depend on the backlog: owners
-- that have unfinished jobs but no ready task have claimed or waiting ones, and those are few.
SELECT tasks.id AS id, tasks.job AS job, tasks.kind AS kind, tasks.is_suspect AS is_suspect, owners.owner AS owner,
  owners.served_ms AS served_ms, coalesce(tasks.end_sample - tasks.start_sample, 0) / 16 AS span_ms
FROM owners JOIN tasks ON tasks.id = (
  SELECT id FROM tasks WHERE status = 'ready' AND owner = owners.owner ORDER BY priority DESC, due_at, id LIMIT 1)
WHERE owners.unfinished_jobs > 0
ORDER BY owners.served_ms LIMIT 1
