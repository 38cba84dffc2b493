-- The claim order of tasks_ready, for jobs.
SELECT count(*) FROM jobs AS ahead, jobs AS job
WHERE job.seq = :seq AND ahead.status = 'pending'
  AND (-ahead.priority, ahead.due_at, ahead.seq) < (-job.priority, job.due_at, job.seq)
