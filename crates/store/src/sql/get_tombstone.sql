SELECT status, reason, created_at, deleted_at, ttl_deadline FROM tombstones WHERE id = :id AND forget_at > :now
