-- Which migrations were applied, and as what. Here and not in a migration, because it has to be there before the first.
CREATE TABLE IF NOT EXISTS migrations (
  number     bigint PRIMARY KEY,
  name       text NOT NULL,
  sha256     bytea NOT NULL CHECK (length(sha256) = 32),
  applied_by text NOT NULL
)
