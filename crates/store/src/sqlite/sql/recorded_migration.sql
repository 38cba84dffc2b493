SELECT sha256 FROM migrations WHERE number = :number
