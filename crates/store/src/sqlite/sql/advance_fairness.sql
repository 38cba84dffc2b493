UPDATE fairness SET served_ms = max(served_ms, :served_ms)
