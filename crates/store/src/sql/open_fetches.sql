-- Recordings that are to be fetched, and when the job of the oldest was submitted.
SELECT count(*), min(jobs.created_at) FROM tasks JOIN jobs ON jobs.seq = tasks.job WHERE tasks.kind = 'fetch'
