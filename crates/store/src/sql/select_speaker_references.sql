SELECT body FROM speaker_references WHERE job = :job
