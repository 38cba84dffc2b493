-- A job that is not there any more has ended as well.
SELECT NOT EXISTS (SELECT 1 FROM jobs WHERE id = :id AND status IN ('pending', 'processing'))
