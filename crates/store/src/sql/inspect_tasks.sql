SELECT kind, span_index, status, failures, crashes FROM tasks
WHERE job = (SELECT seq FROM jobs WHERE id = :id) ORDER BY id
