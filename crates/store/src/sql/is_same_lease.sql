SELECT 1 FROM workers WHERE run_id = :run_id AND lease_until = :lease_until
