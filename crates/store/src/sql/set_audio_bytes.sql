-- The trigger owners_recount_bytes counts them for the owner.
UPDATE inputs SET audio_bytes = :bytes WHERE job = :job AND audio_bytes <> :bytes
