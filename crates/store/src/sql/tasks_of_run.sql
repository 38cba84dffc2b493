SELECT tasks.id, tasks.job, jobs.id, tasks.crashes, tasks.claim_id, tasks.kind
FROM tasks JOIN jobs ON jobs.seq = tasks.job
WHERE tasks.run_id = :run_id AND tasks.status = 'claimed'
