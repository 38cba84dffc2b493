UPDATE tasks SET due_at = due_at + :ms, run_at = run_at + :ms
