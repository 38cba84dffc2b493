-- NULL where the run has no claims, 1 where one of them is suspect.
SELECT max(is_suspect) FROM tasks WHERE run_id = :run_id AND status = 'claimed'
