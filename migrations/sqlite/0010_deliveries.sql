-- Webhooks that are to be sent. A row is written in the transaction that ends its job, by whatever program ends it.
CREATE TABLE deliveries (
  id              INTEGER PRIMARY KEY AUTOINCREMENT,
  job             INTEGER NOT NULL REFERENCES jobs (seq) ON DELETE CASCADE,
  webhook_id      TEXT NOT NULL UNIQUE,                        -- the same in every attempt: receivers recognise repeats by it
  event           TEXT NOT NULL CHECK (event <> ''),           -- CallbackEvent
  origin          TEXT NOT NULL,                               -- scheme, host and port of the receiver: it gets few at a time
  status          TEXT NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'delivered', 'failed')),
  attempts        INTEGER NOT NULL DEFAULT 0,                  -- that have ended, since the job ended or its redelivery
  next_at         INTEGER,                                     -- when it is sent next
  created_at      INTEGER NOT NULL,
  last_attempt_at INTEGER,
  response_status INTEGER,                                     -- of the last attempt's answer
  reason          TEXT,                                        -- why the last attempt failed
  claim_id        BLOB CHECK (length(claim_id) = 16),          -- the fence: random, new for every attempt
  run_id          TEXT REFERENCES workers (run_id) ON DELETE SET NULL, -- the courier that is sending it
  UNIQUE (job, event),
  CHECK ((status = 'pending') = (next_at IS NOT NULL)),
  CHECK (run_id IS NULL OR (status = 'pending' AND claim_id IS NOT NULL))
) STRICT;
CREATE INDEX deliveries_due ON deliveries (attempts, next_at) WHERE status = 'pending' AND run_id IS NULL;
CREATE INDEX deliveries_claimed ON deliveries (origin) WHERE run_id IS NOT NULL;
CREATE INDEX deliveries_run ON deliveries (run_id) WHERE run_id IS NOT NULL;
CREATE INDEX deliveries_open ON deliveries (created_at) WHERE status = 'pending';

-- A stored address has a slash after its origin.
CREATE TRIGGER jobs_callback AFTER UPDATE OF finished_at ON jobs
WHEN OLD.finished_at IS NULL AND NEW.finished_at IS NOT NULL
BEGIN
  INSERT INTO deliveries (job, webhook_id, event, origin, next_at, created_at)
  SELECT NEW.seq, 'msg_' || lower(hex(randomblob(16))), 'transcription.' || NEW.status,
    substr(url, 1, instr(substr(url, 9), '/') + 7), NEW.finished_at, NEW.finished_at
  FROM (SELECT json_extract(options, '$.callback_url') AS url, json_extract(options, '$.callback_events') AS events
    FROM inputs WHERE job = NEW.seq)
  WHERE url IS NOT NULL
    AND (events IS NULL OR EXISTS (SELECT 1 FROM json_each(events) WHERE value = 'transcription.' || NEW.status));
END;

-- What a registered run is: a worker, or a courier.
ALTER TABLE workers ADD COLUMN role TEXT NOT NULL DEFAULT 'worker';
