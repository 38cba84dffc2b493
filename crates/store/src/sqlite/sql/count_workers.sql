SELECT count(*) FROM workers
