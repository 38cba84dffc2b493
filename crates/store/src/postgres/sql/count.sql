-- Adds to several counters, in one order for all transactions, so that two of them do not wait for each other.
INSERT INTO counters (name, label, value)
SELECT name, label, value FROM json_to_recordset(CAST(:counts AS json)) AS counts (name text, label text, value double precision)
ORDER BY name, label
ON CONFLICT (name, label) DO UPDATE SET value = counters.value + excluded.value
