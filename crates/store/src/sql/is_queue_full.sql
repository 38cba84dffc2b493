-- Whether at least so many jobs are pending. They are only counted if all owners together have so many unfinished jobs.
SELECT 1 WHERE (SELECT CAST(coalesce(sum(unfinished_jobs), 0) AS BIGINT) FROM owners) >= :max_pending
  AND (SELECT count(*) FROM jobs WHERE status = 'pending') >= :max_pending
