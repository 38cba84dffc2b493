UPDATE jobs SET retrieved_at = :began, delete_after = least(:grace_end, ttl_deadline)
WHERE id = :id AND status = 'completed' AND retrieved_at IS NULL
