-- Sorted like the index of ready tasks, so that the planner walks that index whatever else is in the table. The subquery is scalar
-- for the same reason.
(SELECT 1 AS found FROM tasks
WHERE status = 'ready' AND kind = ANY (ARRAY(SELECT json_array_elements_text(CAST(:kinds AS json))))
  AND owner <> ALL (ARRAY(SELECT json_array_elements_text(CAST(:full_queues AS json))))
  AND (SELECT count(*) FROM inputs CROSS JOIN LATERAL json_array_elements_text(inputs.requires) AS required (name)
    WHERE inputs.job = tasks.job
      AND required.name <> ALL (ARRAY(SELECT json_array_elements_text(CAST(:known AS json))))) = 0
ORDER BY owner, priority DESC, due_at, id LIMIT 1)
UNION ALL
(SELECT 1 FROM tasks WHERE status = 'waiting' AND run_at <= :now LIMIT 1)
LIMIT 1
