-- What `prepare` found out about a recording, for its result.
SELECT language, language_probability, duration_ms, coalesce(warnings, '[]') AS warnings FROM jobs WHERE seq = :job
