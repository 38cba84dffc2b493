-- The trigger tasks_queue names its queue. The block has the columns of a span, which every release's statements know.
INSERT INTO tasks (job, kind, span_index, start_sample, end_sample, priority, due_at)
SELECT seq, 'voices', :block, :start_sample, :end_sample, priority, due_at FROM jobs WHERE seq = :job
