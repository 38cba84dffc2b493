-- Writes nothing where the claim was lost.
INSERT INTO task_data (task, name, body)
SELECT id, 'progress', :body FROM tasks WHERE id = :task AND claim_id = :claim_id AND status = 'claimed'
ON CONFLICT (task, name) DO UPDATE SET body = excluded.body
