SELECT count(*) FROM workers WHERE role = :role
