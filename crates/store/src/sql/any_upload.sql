SELECT 1 FROM uploads WHERE id = :id
