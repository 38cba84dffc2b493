SELECT seq FROM jobs WHERE id = :id AND owner = coalesce(:owner, owner)
