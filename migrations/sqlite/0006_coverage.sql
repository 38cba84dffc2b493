-- What `prepare` noticed about the recording: a list of Warning, part of the result. NULL before this migration.
ALTER TABLE jobs ADD COLUMN warnings TEXT CHECK (json_valid(warnings));

-- How sure the plan is that a span is speech: 'speech' or 'doubtful'. NULL means 'speech'.
ALTER TABLE tasks ADD COLUMN certainty TEXT;
-- Language of the span where the recording has several. NULL means the job's.
ALTER TABLE tasks ADD COLUMN language TEXT;
-- What a done span yielded besides its segments: SpanOutcome. NULL from a worker of an earlier release.
ALTER TABLE tasks ADD COLUMN outcome TEXT CHECK (json_valid(outcome));
