-- Which process receives an upload, as workers.boot_id names processes: with it, a process on another machine knows whether the
-- upload can still end. Empty from programs of earlier releases.
ALTER TABLE uploads ADD COLUMN process text NOT NULL DEFAULT '';
