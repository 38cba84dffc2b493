SELECT status, reason, created_at, deleted_at, ttl_deadline FROM tombstones WHERE id = :id AND (:owner IS NULL OR owner = :owner) AND forget_at > :now
