-- Recordings of the voices of known speakers. Apart from the options of the job, which every list and every claim reads: a job may
-- have 4 MiB of them, and only the labelling of speakers needs them.
CREATE TABLE speaker_references (
  job  bigint PRIMARY KEY REFERENCES jobs (seq) ON DELETE CASCADE,
  body json NOT NULL                                           -- known_speaker_references of TranscribeRequest
);

-- Voices are biometric data: they go as soon as the job ends, whatever program ends it.
CREATE FUNCTION forget_speaker_references() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM speaker_references WHERE job = NEW.seq;
  RETURN NULL;
END $$;
CREATE TRIGGER speaker_references_forget AFTER UPDATE OF finished_at ON jobs FOR EACH ROW
WHEN (OLD.finished_at IS NULL AND NEW.finished_at IS NOT NULL) EXECUTE FUNCTION forget_speaker_references();
