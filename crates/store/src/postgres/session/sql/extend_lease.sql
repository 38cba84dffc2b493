UPDATE workers SET lease_until = $2 WHERE run_id = $1
