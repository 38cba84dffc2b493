-- The claim order of tasks_ready, for jobs. Three ranges of the index jobs_pending: one comparison of all three columns would
-- compute an expression for every pending job.
SELECT (SELECT count(*) FROM jobs WHERE status = 'pending' AND priority > job.priority)
  + (SELECT count(*) FROM jobs WHERE status = 'pending' AND priority = job.priority AND due_at < job.due_at)
  + (SELECT count(*) FROM jobs WHERE status = 'pending' AND priority = job.priority AND due_at = job.due_at
     AND seq < job.seq)
FROM jobs AS job WHERE job.seq = :seq
