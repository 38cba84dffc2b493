UPDATE jobs SET ttl_deadline = ttl_deadline + :ms, delete_after = delete_after + :ms, due_at = due_at + :ms
