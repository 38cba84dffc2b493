UPDATE tasks SET status = 'done', segments = :segments, outcome = :outcome, claim_id = NULL, run_id = NULL
WHERE id = :task AND claim_id = :claim_id AND status = 'claimed'
RETURNING claimed_at
