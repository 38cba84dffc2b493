-- A span leaves out the pauses between its stretches of speech: [[start_sample, end_sample], …], in order and disjoint.
-- start_sample and end_sample of the task stay the first and the last of them.
ALTER TABLE tasks ADD COLUMN stretches TEXT CHECK (json_valid(stretches));
