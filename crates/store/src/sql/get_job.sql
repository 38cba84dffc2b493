SELECT jobs.id AS id, jobs.seq AS seq, jobs.status AS status, jobs.language AS language, jobs.attempts AS attempts,
  jobs.duration_ms AS duration_ms, jobs.speech_ms AS speech_ms, jobs.done_ms AS done_ms,
  jobs.created_at AS created_at, jobs.started_at AS started_at, jobs.finished_at AS finished_at,
  jobs.retrieved_at AS retrieved_at, jobs.delete_after AS delete_after, jobs.ttl_deadline AS ttl_deadline,
  jobs.error_code AS error_code, jobs.error_reason AS error_reason, jobs.error_message AS error_message,
  inputs.options AS options, results.body AS body
FROM jobs JOIN inputs ON inputs.job = jobs.seq LEFT JOIN results ON results.job = jobs.seq
WHERE jobs.id = :id AND jobs.owner = coalesce(:owner, jobs.owner)
