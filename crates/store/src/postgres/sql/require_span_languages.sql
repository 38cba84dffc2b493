-- From now on only workers that transcribe each span in its own language may claim tasks of the job.
UPDATE inputs SET requires = CAST(CAST(requires AS jsonb) || '["span_languages"]' AS json)
WHERE job = :job AND NOT EXISTS (SELECT 1 FROM json_array_elements_text(requires) AS required (name)
  WHERE required.name = 'span_languages')
