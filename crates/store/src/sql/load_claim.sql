SELECT jobs.id AS id, jobs.language AS language, jobs.spool AS spool, inputs.options AS options, inputs.audio AS audio,
  tasks.kind AS kind, tasks.span_index AS span_index, tasks.start_sample AS start_sample,
  tasks.end_sample AS end_sample, tasks.failures AS failures, tasks.crashes AS crashes
FROM tasks JOIN jobs ON jobs.seq = tasks.job JOIN inputs ON inputs.job = tasks.job
WHERE tasks.id = :task
