INSERT INTO migrations (number, name, sha256, applied_by) VALUES (:number, :name, :sha256, :applied_by)
