UPDATE inputs SET audio = :audio, audio_bytes = :bytes, audio_sha256 = :sha256 WHERE job = :job
