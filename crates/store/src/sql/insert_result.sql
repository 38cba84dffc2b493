INSERT INTO results (job, body) VALUES (:job, :body)
