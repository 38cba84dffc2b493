DELETE FROM jobs WHERE seq = :job
