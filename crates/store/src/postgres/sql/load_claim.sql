SELECT jobs.id AS id,
  -- A recording in several languages has one for each span.
  coalesce(tasks.language, jobs.language) AS language,
  jobs.spool AS spool, jobs.model AS model, inputs.options AS options, inputs.audio AS audio,
  inputs.request_id AS request_id, tasks.is_suspect AS is_suspect,
  tasks.certainty AS certainty, tasks.kind AS kind, tasks.input AS input, jobs.owner AS owner, tasks.span_index AS span_index,
  tasks.failures AS failures, tasks.crashes AS crashes,
  -- A task that was planned before stretches were kept is one stretch.
  coalesce(tasks.stretches, json_build_array(json_build_array(tasks.start_sample, tasks.end_sample))) AS stretches
FROM tasks JOIN jobs ON jobs.seq = tasks.job JOIN inputs ON inputs.job = tasks.job
WHERE tasks.id = :task
