UPDATE jobs SET status = 'failed', finished_at = :now, error_code = :code, error_reason = :reason, error_message = :message,
  spool = NULL
WHERE seq = :job AND status IN ('pending', 'processing')
