SELECT seq FROM jobs WHERE id = :id AND (:owner IS NULL OR owner = :owner)
