SELECT count(*), min(created_at) FROM deliveries WHERE status = 'pending'
