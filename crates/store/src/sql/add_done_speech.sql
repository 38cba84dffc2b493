UPDATE jobs SET done_ms = done_ms + :ms WHERE seq = :job
