-- The due time grows by the expected compute time once `prepare` knows the length.
INSERT INTO jobs (id, owner, priority, due_at, created_at, ttl_deadline, language)
VALUES (:id, :owner, :priority, :created_at, :created_at, :ttl_deadline, :language)
RETURNING seq
