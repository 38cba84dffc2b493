-- One statement for both updates, because every claim makes them.
WITH advanced AS (UPDATE fairness SET served_ms = greatest(served_ms, :served_ms))
UPDATE owners SET served_ms = served_ms + :cost_ms WHERE owner = :owner
