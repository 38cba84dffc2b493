BEGIN;
UPDATE tasks SET status = 'ready', claim_id = NULL, run_id = NULL WHERE status = 'claimed';
DELETE FROM workers;
COMMIT
