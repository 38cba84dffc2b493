-- Name of the weights that a job's plan was made with. Its spans use the same, whatever the default is by then. NULL before this
-- migration, and from programs of earlier releases.
ALTER TABLE jobs ADD COLUMN model TEXT;
