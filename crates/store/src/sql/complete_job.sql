UPDATE jobs SET status = 'completed', finished_at = :now, done_ms = coalesce(speech_ms, 0), spool = NULL,
  language = coalesce(:language, language)
WHERE seq = :job AND status = 'processing'
