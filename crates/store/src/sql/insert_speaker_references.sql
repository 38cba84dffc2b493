INSERT INTO speaker_references (job, body) VALUES (:job, :body)
