DELETE FROM gc WHERE path IN (SELECT value FROM json_each(:paths))
