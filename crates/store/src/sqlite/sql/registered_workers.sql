SELECT slots, model, version FROM workers ORDER BY started_at, run_id
