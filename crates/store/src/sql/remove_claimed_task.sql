DELETE FROM tasks WHERE id = :task AND claim_id = :claim_id AND status = 'claimed' RETURNING claimed_at
