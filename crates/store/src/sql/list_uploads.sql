SELECT id, process FROM uploads
