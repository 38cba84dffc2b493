-- Which migrations were applied, and as what. Here and not in a migration, because it has to be there before the first.
CREATE TABLE IF NOT EXISTS migrations (
  number     INTEGER PRIMARY KEY,
  name       TEXT NOT NULL,
  sha256     BLOB NOT NULL CHECK (length(sha256) = 32),
  applied_by TEXT NOT NULL
) STRICT
