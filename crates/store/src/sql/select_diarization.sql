-- Who speaks when in a job whose tasks are all done.
SELECT output FROM tasks WHERE job = :job AND kind = 'diarize' AND status = 'done'
