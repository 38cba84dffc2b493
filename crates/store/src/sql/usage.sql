-- What an owner has in the queue, uploads in progress included, but not the one with the id :own.
SELECT
  coalesce((SELECT unfinished_jobs FROM owners WHERE owner = :owner), 0) AS jobs,
  coalesce((SELECT stored_jobs FROM owners WHERE owner = :owner), 0) AS stored_jobs,
  coalesce((SELECT stored_bytes FROM owners WHERE owner = :owner), 0) AS stored_bytes,
  (SELECT count(*) FROM uploads WHERE owner = :owner AND id IS DISTINCT FROM :own) AS uploads,
  (SELECT CAST(coalesce(sum(bytes), 0) AS BIGINT) FROM uploads WHERE owner = :owner AND id IS DISTINCT FROM :own) AS upload_bytes
