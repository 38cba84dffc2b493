-- No connection has the lock of the key 0.
UPDATE workers SET boot_id = '0' WHERE run_id = $1
