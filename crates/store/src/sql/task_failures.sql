SELECT failures FROM tasks WHERE id = :task
