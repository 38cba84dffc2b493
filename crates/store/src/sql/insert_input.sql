INSERT INTO inputs (job, options, audio, audio_bytes, audio_sha256, fingerprint, shared, request_id)
VALUES (:job, :options, :audio, :audio_bytes, :audio_sha256, :fingerprint, :shared, :request_id)
