UPDATE jobs SET duration_ms = :duration_ms, speech_ms = :speech_ms, due_at = created_at + :compute_ms,
  language = :language, language_probability = :language_probability, spool = :spool, spool_bytes = :spool_bytes,
  warnings = :warnings, model = :model
WHERE seq = :job AND status = 'processing'
