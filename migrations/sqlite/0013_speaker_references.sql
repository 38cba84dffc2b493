-- Recordings of the voices of known speakers. Apart from the options of the job, which every list and every claim reads: a job may
-- have 4 MiB of them, and only the labelling of speakers needs them.
CREATE TABLE speaker_references (
  job  INTEGER PRIMARY KEY REFERENCES jobs (seq) ON DELETE CASCADE,
  body TEXT NOT NULL CHECK (json_valid(body))                  -- known_speaker_references of TranscribeRequest
) STRICT;

-- Voices are biometric data: they go as soon as the job ends, whatever program ends it.
CREATE TRIGGER speaker_references_forget AFTER UPDATE OF finished_at ON jobs
WHEN OLD.finished_at IS NULL AND NEW.finished_at IS NOT NULL
BEGIN
  DELETE FROM speaker_references WHERE job = NEW.seq;
END;
