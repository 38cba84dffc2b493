-- What each span yielded, NULL while it is not done.
SELECT tasks.segments AS segments FROM tasks JOIN jobs ON jobs.seq = tasks.job
WHERE jobs.id = :id AND tasks.kind = 'transcribe' AND tasks.span_index >= :from ORDER BY tasks.span_index
