SELECT 1 FROM inputs JOIN jobs ON jobs.seq = inputs.job WHERE inputs.shared = 1 AND jobs.owner = :owner LIMIT 1
