UPDATE tasks SET status = 'done', segments = :segments, outcome = :outcome, claim_id = NULL, run_id = NULL WHERE id = :task
