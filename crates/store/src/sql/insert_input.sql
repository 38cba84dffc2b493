INSERT INTO inputs (job, options, audio, audio_bytes, audio_sha256)
VALUES (:job, :options, :audio, :audio_bytes, :audio_sha256)
