INSERT INTO workers (run_id, boot_id, lease_until, pid, slots, model, version, role, started_at)
VALUES (:run_id, :boot_id, :lease_until, :pid, :slots, :model, :version, :role, :now)
