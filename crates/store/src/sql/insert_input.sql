INSERT INTO inputs (job, options, requires, audio, audio_bytes, audio_sha256, fingerprint, shared, request_id)
VALUES (:job, :options, :requires, :audio, :audio_bytes, :audio_sha256, :fingerprint, :shared, :request_id)
