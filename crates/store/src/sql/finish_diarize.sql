UPDATE tasks SET status = 'done', output = :output, claim_id = NULL, run_id = NULL
WHERE id = :task AND claim_id = :claim_id AND status = 'claimed'
RETURNING claimed_at
