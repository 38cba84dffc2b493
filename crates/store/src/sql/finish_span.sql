UPDATE tasks SET status = 'done', segments = :segments, claim_id = NULL, run_id = NULL WHERE id = :task
