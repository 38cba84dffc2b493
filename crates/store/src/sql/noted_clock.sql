SELECT boot_id, offset_ms FROM clock
