INSERT INTO uploads (id, owner, bytes) VALUES (:id, :owner, :bytes)
ON CONFLICT (id) DO UPDATE SET bytes = greatest(uploads.bytes, excluded.bytes)
