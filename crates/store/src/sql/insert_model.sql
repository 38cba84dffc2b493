INSERT OR IGNORE INTO models (name) VALUES (:name)
