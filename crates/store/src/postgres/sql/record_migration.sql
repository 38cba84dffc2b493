INSERT INTO migrations (number, name, sha256, applied_by) VALUES ($1, $2, $3, $4)
