INSERT INTO tombstones (id, owner, status, reason, created_at, deleted_at, ttl_deadline, forget_at)
SELECT id, owner, status, :reason, created_at, :now, ttl_deadline, ttl_deadline + :longer_ms FROM jobs WHERE seq = :job
RETURNING id
