-- What a run may claim next. No row if the run is not registered; `id` is NULL if there is no task. `has_suspect` says whether one of
-- the run's claims is suspect, and is NULL if it has none. The task is the best one of the owner that was served least.
-- Every part walks an index, so that the cost does not depend on the backlog: owners that have unfinished jobs but no ready task have
-- claimed or waiting ones, and those are few.
-- Of an owner with many prepared jobs, spans come before the preparation of more jobs of the same priority: each prepared job
-- holds its decoded audio.
-- Queues of an owner (0007_open_tasks.sql): its name; with U+001F, for jobs that require something; with U+001F and the
-- kind, for later kinds. Jobs that require what this release does not know are left to others.
SELECT
  (SELECT max(is_suspect) FROM tasks WHERE run_id = :run_id AND status = 'claimed') AS has_suspect,
  next.id AS id, next.job AS job, next.kind AS kind, next.is_suspect AS is_suspect, next.plain_owner AS owner,
  next.served_ms AS served_ms, next.failures AS failures, next.crashes AS crashes,
  coalesce(next.end_sample - next.start_sample, 0) / 16 AS span_ms,
  -- A recording in several languages has one for each span.
  coalesce(next.language, jobs.language) AS language,
  -- A task that was planned before stretches were kept is one stretch.
  coalesce(next.stretches, json_array(json_array(next.start_sample, next.end_sample))) AS stretches,
  next.certainty AS certainty, next.span_index AS span_index, next.input AS input,
  jobs.id AS job_id, jobs.spool AS spool, jobs.model AS model,
  inputs.options AS options, inputs.audio AS audio, inputs.request_id AS request_id
FROM workers
LEFT JOIN (
  SELECT tasks.*, owners.owner AS plain_owner, owners.served_ms AS served_ms
  FROM owners JOIN tasks ON tasks.id = (
    SELECT id FROM (
      SELECT * FROM (
        SELECT id, priority, 0 AS rank, due_at FROM tasks
        WHERE status = 'ready' AND kind = 'transcribe' AND owner = owners.owner AND owners.prepared_jobs >= :max_prepared
          AND 'transcribe' IN (SELECT value FROM json_each(:kinds))
        ORDER BY priority DESC, due_at, id LIMIT 1)
      UNION ALL
      SELECT * FROM (
        SELECT id, priority, 1 AS rank, due_at FROM tasks
        WHERE status = 'ready' AND owner = owners.owner AND kind IN (SELECT value FROM json_each(:kinds))
        ORDER BY priority DESC, due_at, id LIMIT 1)
      UNION ALL
      SELECT * FROM (
        SELECT id, priority, 1 AS rank, due_at FROM tasks
        WHERE status = 'ready' AND owner = owners.owner || char(31) AND kind IN (SELECT value FROM json_each(:kinds))
          AND NOT EXISTS (SELECT 1 FROM inputs, json_each(inputs.requires) AS required
            WHERE inputs.job = tasks.job AND required.value NOT IN (SELECT value FROM json_each(:known)))
        ORDER BY priority DESC, due_at, id LIMIT 1)
      UNION ALL
      SELECT id, priority, 1 AS rank, due_at FROM tasks WHERE id IN (
        SELECT (
          SELECT id FROM tasks
          WHERE status = 'ready' AND owner = owners.owner || char(31) || kinds.value
            AND owner NOT IN (SELECT value FROM json_each(:full_queues))
            AND NOT EXISTS (SELECT 1 FROM inputs, json_each(inputs.requires) AS required
              WHERE inputs.job = tasks.job AND required.value NOT IN (SELECT value FROM json_each(:known)))
          ORDER BY priority DESC, due_at, id LIMIT 1)
        FROM json_each(:later_kinds) AS kinds))
    ORDER BY priority DESC, rank, due_at, id LIMIT 1)
  WHERE owners.unfinished_jobs > 0
  ORDER BY owners.served_ms LIMIT 1
) AS next
LEFT JOIN jobs ON jobs.seq = next.job
LEFT JOIN inputs ON inputs.job = next.job
WHERE workers.run_id = :run_id
