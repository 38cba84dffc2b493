BEGIN;
UPDATE tasks SET status = 'ready', claim_id = NULL, run_id = NULL WHERE status = 'claimed';
DELETE FROM workers;
-- The copy has its files in its own folder.
UPDATE settings SET value = 'the data folder' WHERE name = 'STENO_STORAGE_URL';
COMMIT
