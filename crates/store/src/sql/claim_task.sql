UPDATE tasks SET status = 'claimed', claim_id = :claim_id, run_id = :run_id, claimed_at = :now
WHERE id = :task AND status = 'ready'
