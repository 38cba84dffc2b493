SELECT count(pg_notify(channel, payload)) FROM unnest($1::text[], $2::text[]) AS message (channel, payload)
