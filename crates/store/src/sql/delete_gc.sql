DELETE FROM gc WHERE path = :path
