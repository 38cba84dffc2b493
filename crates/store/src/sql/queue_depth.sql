-- How many jobs there are by status, and when the oldest was submitted. The pending ones are read off their index.
SELECT status, count(*), min(created_at) FROM jobs GROUP BY status
