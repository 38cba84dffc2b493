DELETE FROM tombstones WHERE forget_at <= :now
