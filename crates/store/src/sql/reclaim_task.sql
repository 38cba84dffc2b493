UPDATE tasks SET status = 'ready', crashes = crashes + :crashes, claim_id = NULL, run_id = NULL WHERE id = :task
