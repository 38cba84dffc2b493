SELECT 1 FROM deliveries JOIN jobs ON jobs.seq = deliveries.job WHERE jobs.id = :id AND deliveries.status = 'pending'
