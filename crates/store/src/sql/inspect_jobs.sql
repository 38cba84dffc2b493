SELECT jobs.id AS id, jobs.owner AS owner, jobs.status AS status, jobs.attempts AS attempts, jobs.created_at AS created_at,
  jobs.error_code AS error_code, inputs.audio_bytes AS audio_bytes,
  (SELECT count(*) FROM tasks WHERE job = jobs.seq AND tasks.status IN ('ready', 'waiting')) AS tasks_waiting,
  (SELECT count(*) FROM tasks WHERE job = jobs.seq AND tasks.status = 'claimed') AS tasks_claimed,
  (SELECT count(*) FROM tasks WHERE job = jobs.seq AND tasks.status = 'done') AS tasks_done
FROM jobs JOIN inputs ON inputs.job = jobs.seq
WHERE jobs.owner = coalesce(:owner, jobs.owner) AND jobs.status = coalesce(:status, jobs.status)
  AND jobs.created_at <= :before AND jobs.id = coalesce(:id, jobs.id)
ORDER BY jobs.seq
