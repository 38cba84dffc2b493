SELECT 1 FROM tombstones WHERE forget_at <= :now LIMIT 1
