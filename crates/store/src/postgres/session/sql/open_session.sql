-- The server notices that the host of a session is gone when its leases are over, not before: a lock that is freed
-- earlier would cost a worker its claims for a short failure of the network.
SELECT set_config('tcp_keepalives_idle', '10', false),
    set_config('tcp_keepalives_interval', '5', false),
    set_config('tcp_keepalives_count', $2::text, false),
    set_config('tcp_user_timeout', $3::text, false),
    set_config('idle_session_timeout', '0', false),
    -- Shared, because every connection of the process takes it: it is free when all of them have ended.
    pg_advisory_lock_shared($1)
