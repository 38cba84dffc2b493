-- Two rows in one statement: every claim updates them.
WITH advanced AS (UPDATE fairness SET served_ms = greatest(served_ms, :served_ms))
UPDATE owners SET served_ms = served_ms + :cost_ms WHERE owner = :owner
