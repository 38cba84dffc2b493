-- What a run may claim next: see the statement of the same name for SQLite.
-- Owners are walked in the order of their turns, and the first with a task ends the walk. Lists are arrays and `requires` is read
-- by a scalar subquery, so that the planner cannot turn them into joins, which would read every ready task. OFFSET 0 keeps it from
-- joining the owners in another order, and from reading all tasks to find the chosen one.
SELECT
  (SELECT max(is_suspect) FROM tasks WHERE run_id = :run_id AND status = 'claimed') AS has_suspect,
  next.id AS id, next.job AS job, next.kind AS kind, next.is_suspect AS is_suspect, next.plain_owner AS owner,
  next.served_ms AS served_ms, next.failures AS failures, next.crashes AS crashes,
  coalesce(next.end_sample - next.start_sample, 0) / 16 AS span_ms,
  -- A recording in several languages has one for each span.
  coalesce(next.language, jobs.language) AS language,
  -- A task that was planned before stretches were kept is one stretch.
  coalesce(next.stretches, json_build_array(json_build_array(next.start_sample, next.end_sample))) AS stretches,
  next.certainty AS certainty, next.span_index AS span_index, next.input AS input,
  jobs.id AS job_id, jobs.spool AS spool, jobs.model AS model,
  inputs.options AS options, inputs.audio AS audio, inputs.request_id AS request_id
FROM workers
LEFT JOIN LATERAL (
  SELECT chosen.*, owners.owner AS plain_owner, owners.served_ms
  FROM (SELECT owner, served_ms, prepared_jobs FROM owners WHERE unfinished_jobs > 0 ORDER BY served_ms OFFSET 0) AS owners
  CROSS JOIN LATERAL (
    SELECT candidate.id FROM (
      (SELECT id, priority, 0 AS rank, due_at FROM tasks
        WHERE status = 'ready' AND kind = 'transcribe' AND owner = owners.owner AND owners.prepared_jobs >= :max_prepared
          AND 'transcribe' = ANY (ARRAY(SELECT json_array_elements_text(CAST(:kinds AS json))))
        ORDER BY priority DESC, due_at, id LIMIT 1)
      UNION ALL
      (SELECT id, priority, 1, due_at FROM tasks
        WHERE status = 'ready' AND owner = owners.owner
          AND kind = ANY (ARRAY(SELECT json_array_elements_text(CAST(:kinds AS json))))
        ORDER BY priority DESC, due_at, id LIMIT 1)
      UNION ALL
      (SELECT id, priority, 1, due_at FROM tasks
        WHERE status = 'ready' AND owner = owners.owner || chr(31)
          AND kind = ANY (ARRAY(SELECT json_array_elements_text(CAST(:kinds AS json))))
          AND (SELECT count(*) FROM inputs CROSS JOIN LATERAL json_array_elements_text(inputs.requires) AS required (name)
            WHERE inputs.job = tasks.job
              AND required.name <> ALL (ARRAY(SELECT json_array_elements_text(CAST(:known AS json))))) = 0
        ORDER BY priority DESC, due_at, id LIMIT 1)
      UNION ALL
      SELECT later.id, later.priority, 1, later.due_at
      FROM json_array_elements_text(CAST(:later_kinds AS json)) AS kinds (kind)
      CROSS JOIN LATERAL (
        SELECT id, priority, due_at FROM tasks
        WHERE status = 'ready' AND owner = owners.owner || chr(31) || kinds.kind
          AND owner <> ALL (ARRAY(SELECT json_array_elements_text(CAST(:full_queues AS json))))
          AND (SELECT count(*) FROM inputs CROSS JOIN LATERAL json_array_elements_text(inputs.requires) AS required (name)
            WHERE inputs.job = tasks.job
              AND required.name <> ALL (ARRAY(SELECT json_array_elements_text(CAST(:known AS json))))) = 0
        ORDER BY priority DESC, due_at, id LIMIT 1) AS later
    ) AS candidate
    ORDER BY candidate.priority DESC, candidate.rank, candidate.due_at, candidate.id LIMIT 1
  ) AS best
  CROSS JOIN LATERAL (SELECT * FROM tasks WHERE tasks.id = best.id OFFSET 0) AS chosen
  ORDER BY owners.served_ms LIMIT 1
) AS next ON true
LEFT JOIN jobs ON jobs.seq = next.job
LEFT JOIN inputs ON inputs.job = next.job
WHERE workers.run_id = :run_id
