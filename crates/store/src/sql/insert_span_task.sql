-- The trigger tasks_queue names its queue.
INSERT INTO tasks (job, kind, span_index, start_sample, end_sample, stretches, certainty, language, priority, due_at)
SELECT seq, 'transcribe', :span_index, :start_sample, :end_sample, :stretches, :certainty, :language, priority, due_at
FROM jobs WHERE seq = :job
