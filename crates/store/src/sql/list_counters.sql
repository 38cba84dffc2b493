SELECT name, label, value FROM counters
