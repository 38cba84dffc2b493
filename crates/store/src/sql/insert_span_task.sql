INSERT INTO tasks (job, owner, kind, span_index, start_sample, end_sample, stretches, certainty, language, priority, due_at)
SELECT jobs.seq, jobs.owner || iif(inputs.requires = '[]', '', char(31)), 'transcribe', :span_index, :start_sample,
  :end_sample, :stretches, :certainty, :language, jobs.priority, jobs.due_at
FROM jobs JOIN inputs ON inputs.job = jobs.seq WHERE jobs.seq = :job
