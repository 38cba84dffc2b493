UPDATE workers SET lease_until = :lease_until WHERE run_id = :run_id
