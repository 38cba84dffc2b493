INSERT INTO tasks (job, owner, kind, span_index, start_sample, end_sample, stretches, priority, due_at)
SELECT seq, owner, 'transcribe', :span_index, :start_sample, :end_sample, :stretches, priority, due_at
FROM jobs WHERE seq = :job
