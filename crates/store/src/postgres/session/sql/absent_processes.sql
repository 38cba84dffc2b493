-- Which of the processes, given by the keys of their locks, have no connection; and for how long the server has been up.
WITH connected AS MATERIALIZED (
    SELECT ((classid::bigint << 32) | objid::bigint)::text AS key
    FROM pg_locks
    WHERE locktype = 'advisory' AND granted AND objsubid = 1
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
)
SELECT DISTINCT key, (extract(epoch FROM clock_timestamp() - pg_postmaster_start_time()) * 1000)::bigint
FROM unnest($1::text[]) AS process (key)
WHERE key NOT IN (SELECT key FROM connected)
