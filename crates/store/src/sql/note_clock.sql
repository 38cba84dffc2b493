INSERT INTO clock (id, boot_id, offset_ms) VALUES (1, :boot_id, :offset_ms)
ON CONFLICT (id) DO UPDATE SET boot_id = excluded.boot_id, offset_ms = excluded.offset_ms
