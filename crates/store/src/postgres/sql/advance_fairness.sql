UPDATE fairness SET served_ms = greatest(served_ms, :served_ms)
