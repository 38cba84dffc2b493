-- Runs without a connection, or with a lease that is over; and for how long the server has been up.
WITH connected AS MATERIALIZED (
    SELECT ((classid::bigint << 32) | objid::bigint)::text AS key
    FROM pg_locks
    WHERE locktype = 'advisory' AND granted AND objsubid = 1
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
)
SELECT run_id, is_disconnected,
    (extract(epoch FROM clock_timestamp() - pg_postmaster_start_time()) * 1000)::bigint
FROM workers, LATERAL (SELECT boot_id NOT IN (SELECT key FROM connected) AS is_disconnected) AS link
WHERE is_disconnected OR lease_until < $1
