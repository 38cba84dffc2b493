-- The time of the database, and whether a seat on the watch was free.
SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint,
    CASE
        WHEN NOT $1 THEN false
        WHEN pg_try_advisory_lock($2) THEN true
        ELSE pg_try_advisory_lock($3)
    END
