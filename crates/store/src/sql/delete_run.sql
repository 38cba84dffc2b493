DELETE FROM workers WHERE run_id = :run_id
