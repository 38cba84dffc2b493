-- Runs before the spool's name is cleared or the row is deleted.
INSERT INTO gc (path)
SELECT 'audio/' || audio FROM inputs WHERE job = :job
UNION ALL
SELECT 'spool/' || spool FROM jobs WHERE seq = :job AND spool IS NOT NULL
ON CONFLICT DO NOTHING
