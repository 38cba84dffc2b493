UPDATE tasks SET status = 'ready', crashes = crashes + :crashes, is_suspect = greatest(is_suspect, :is_suspect), claim_id = NULL,
  run_id = NULL
WHERE id = :task
