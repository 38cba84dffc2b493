-- A recording is needed until its job ends; before it is fetched, there is none. With :name, only that one.
SELECT inputs.audio FROM inputs JOIN jobs ON jobs.seq = inputs.job
WHERE jobs.status IN ('pending', 'processing') AND inputs.audio = coalesce(:name, inputs.audio)
  AND NOT EXISTS (SELECT 1 FROM tasks WHERE tasks.job = jobs.seq AND tasks.kind = 'fetch')
