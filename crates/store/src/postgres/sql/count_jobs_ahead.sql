-- Its owner's jobs ahead of it, in the claim order of tasks_ready, and as many of each other owner, since claims take turns.
-- Three ranges of the index jobs_pending.
WITH job AS (SELECT owner, priority, due_at, seq FROM jobs WHERE seq = :seq),
  own AS (
    SELECT (SELECT count(*) FROM jobs WHERE status = 'pending' AND owner = job.owner AND priority > job.priority)
      + (SELECT count(*) FROM jobs WHERE status = 'pending' AND owner = job.owner AND priority = job.priority
         AND due_at < job.due_at)
      + (SELECT count(*) FROM jobs WHERE status = 'pending' AND owner = job.owner AND priority = job.priority
         AND due_at = job.due_at AND seq < job.seq) AS ahead
    FROM job)
SELECT own.ahead + (SELECT CAST(coalesce(sum(least(owners.unfinished_jobs, own.ahead)), 0) AS bigint) FROM owners
  WHERE owners.unfinished_jobs > 0 AND owners.owner <> job.owner)
FROM job, own
