SELECT deliveries.id AS id, deliveries.webhook_id AS webhook_id, deliveries.event AS event,
  deliveries.attempts AS delivery_attempts, jobs.id AS job_id, jobs.owner AS owner, jobs.status AS status,
  jobs.language AS language, jobs.duration_ms AS duration_ms, jobs.created_at AS created_at,
  jobs.finished_at AS finished_at, jobs.ttl_deadline AS ttl_deadline, jobs.error_code AS error_code,
  jobs.error_reason AS error_reason,
  jobs.error_message AS error_message, inputs.options AS options, inputs.request_id AS request_id
FROM deliveries JOIN jobs ON jobs.seq = deliveries.job JOIN inputs ON inputs.job = jobs.seq
WHERE deliveries.id = :id
