SELECT slots, model, version FROM workers WHERE role = 'worker' ORDER BY started_at, run_id
