SELECT run_id, boot_id, lease_until FROM workers
