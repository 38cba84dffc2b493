UPDATE owners SET served_ms = served_ms + :cost_ms WHERE owner = :owner
