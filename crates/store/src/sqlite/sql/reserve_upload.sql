INSERT INTO uploads (id, owner, bytes, process) VALUES (:id, :owner, :bytes, :process)
ON CONFLICT (id) DO UPDATE SET bytes = max(bytes, excluded.bytes)
