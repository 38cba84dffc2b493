SELECT seq FROM jobs WHERE ttl_deadline <= :now ORDER BY ttl_deadline LIMIT :batch
