INSERT INTO counters (name, label, value) VALUES (:name, :label, :value)
ON CONFLICT (name, label) DO UPDATE SET value = counters.value + excluded.value
