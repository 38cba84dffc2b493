-- A spool is needed until its job ends. With :name, only that one.
SELECT spool FROM jobs
WHERE spool IS NOT NULL AND status IN ('pending', 'processing') AND spool = coalesce(:name, spool)
