-- A recording is needed until its job ends. With :name, only that one.
SELECT inputs.audio FROM inputs JOIN jobs ON jobs.seq = inputs.job
WHERE jobs.status IN ('pending', 'processing') AND (:name IS NULL OR inputs.audio = :name)
