SELECT status, reason, created_at, deleted_at, ttl_deadline FROM tombstones WHERE id = :id AND owner = coalesce(:owner, owner) AND forget_at > :now
