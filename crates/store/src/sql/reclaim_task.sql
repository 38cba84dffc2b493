UPDATE tasks SET status = 'ready', crashes = crashes + 1, claim_id = NULL, run_id = NULL WHERE id = :task
