UPDATE tombstones SET forget_at = forget_at + :ms, ttl_deadline = ttl_deadline + :ms
