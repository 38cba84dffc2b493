-- One row for each inconsistency, as text.
SELECT 'job ' || hex(id) || ' has not ended and has no task' FROM jobs
  WHERE finished_at IS NULL AND NOT EXISTS (SELECT 1 FROM tasks WHERE job = seq)
UNION ALL SELECT 'job ' || hex(id) || ' has ended and still has tasks' FROM jobs
  WHERE finished_at IS NOT NULL AND EXISTS (SELECT 1 FROM tasks WHERE job = seq)
UNION ALL SELECT 'job ' || hex(id) || ' is completed and has no result' FROM jobs
  WHERE status = 'completed' AND NOT EXISTS (SELECT 1 FROM results WHERE job = seq)
UNION ALL SELECT 'job ' || hex(id) || ' is not completed and has a result' FROM jobs
  WHERE status <> 'completed' AND EXISTS (SELECT 1 FROM results WHERE job = seq)
UNION ALL SELECT 'job ' || hex(id) || ' has ended and still has recordings of voices' FROM jobs
  WHERE finished_at IS NOT NULL AND EXISTS (SELECT 1 FROM speaker_references WHERE job = seq)
UNION ALL SELECT 'task ' || id || ' belongs to another owner than its job' FROM tasks
  WHERE substr(owner, 1, instr(owner || char(31), char(31)) - 1) <> (SELECT owner FROM jobs WHERE seq = job)
UNION ALL SELECT 'the queue of owner "' || owner || '" is counted wrong' FROM owners
  WHERE unfinished_jobs <> (SELECT count(*) FROM jobs WHERE jobs.owner = owners.owner AND finished_at IS NULL)
    OR stored_jobs <> (SELECT count(*) FROM jobs WHERE jobs.owner = owners.owner)
    OR prepared_jobs <> (SELECT count(*) FROM jobs
      WHERE jobs.owner = owners.owner AND finished_at IS NULL AND spool IS NOT NULL)
    OR stored_bytes <> (SELECT coalesce(sum(audio_bytes + spool_bytes), 0) FROM jobs JOIN inputs ON inputs.job = jobs.seq
      WHERE jobs.owner = owners.owner AND finished_at IS NULL)
