SELECT id FROM uploads
