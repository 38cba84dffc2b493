-- The columns of get_job.sql without the result, newest first. Starts after the job of the cursor, whether it is still there or not.
SELECT jobs.id AS id, jobs.seq AS seq, jobs.status AS status, jobs.language AS language, jobs.attempts AS attempts,
  jobs.duration_ms AS duration_ms, jobs.speech_ms AS speech_ms, jobs.done_ms AS done_ms,
  jobs.created_at AS created_at, jobs.started_at AS started_at, jobs.finished_at AS finished_at,
  jobs.retrieved_at AS retrieved_at, jobs.delete_after AS delete_after, jobs.ttl_deadline AS ttl_deadline,
  jobs.error_code AS error_code, jobs.error_reason AS error_reason, jobs.error_message AS error_message,
  inputs.options AS options, NULL AS body
FROM jobs JOIN inputs ON inputs.job = jobs.seq
WHERE jobs.owner = :owner AND (jobs.created_at, jobs.id) < (:created_at, :id) AND jobs.status = coalesce(:status, jobs.status)
  AND jobs.ttl_deadline > :now AND (jobs.delete_after IS NULL OR jobs.delete_after > :now
    OR EXISTS (SELECT 1 FROM deliveries WHERE deliveries.job = jobs.seq AND deliveries.status = 'pending'))
ORDER BY jobs.created_at DESC, jobs.id DESC LIMIT :limit
