-- The queues of owners that already use their share of a courier's slots. A quarter of the slots, rounded up, is left for other
-- owners, because a download may take an hour. A courier with one slot serves one owner at a time.
SELECT tasks.owner FROM tasks
WHERE tasks.run_id = :run_id AND tasks.status = 'claimed' AND tasks.kind = 'fetch'
GROUP BY tasks.owner
HAVING count(*) >= (SELECT slots - (slots + 3) / 4 FROM workers WHERE run_id = :run_id)
