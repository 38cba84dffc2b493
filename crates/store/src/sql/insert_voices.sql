INSERT INTO task_data (task, name, body) VALUES (:task, 'voices', :body)
