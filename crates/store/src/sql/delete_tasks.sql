DELETE FROM tasks WHERE job = :job
