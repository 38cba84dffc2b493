-- The spans of a job whose tasks are all done, in the order of the recording. Plans and workers of earlier releases leave
-- `stretches`, `certainty` and `outcome` NULL.
SELECT coalesce(stretches, json_build_array(json_build_array(start_sample, end_sample))) AS stretches, certainty, language, segments,
  coalesce(outcome, '{}') AS outcome
FROM tasks WHERE job = :job AND kind = 'transcribe' ORDER BY span_index
