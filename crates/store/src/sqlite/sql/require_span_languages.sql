-- From now on only workers that transcribe each span in its own language may claim tasks of the job.
UPDATE inputs SET requires = json_insert(requires, '$[#]', 'span_languages')
WHERE job = :job AND NOT EXISTS (SELECT 1 FROM json_each(requires) WHERE value = 'span_languages')
