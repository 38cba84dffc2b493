-- The trigger tasks_queue names its queue. The block uses the columns of a span, which earlier releases can read.
INSERT INTO tasks (job, kind, span_index, start_sample, end_sample, priority, due_at)
SELECT seq, 'voices', :block, :start_sample, :end_sample, priority, due_at FROM jobs WHERE seq = :job
