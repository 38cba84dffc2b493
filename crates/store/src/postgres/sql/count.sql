-- Adds to several counters. All transactions do it in the same order, so that they cannot deadlock.
INSERT INTO counters (name, label, value)
SELECT name, label, value FROM json_to_recordset(CAST(:counts AS json)) AS counts (name text, label text, value double precision)
ORDER BY name, label
ON CONFLICT (name, label) DO UPDATE SET value = counters.value + excluded.value
