-- Controls in force at {now} (epoch ms of the clock), or with {all} = 1 each as it last was.
-- Columns: id, number, mode, action, rate (decimal string or NULL), reason, incident_id, policy, by, since_ms, expires_ms (NULL: none),
-- released, active.
SELECT
    id, number, mode, action, toString(rate_per_minute) AS rate, reason, incident_id, policy, by,
    toUnixTimestamp64Milli(since) AS since_ms,
    if(isNull(expires_at), NULL, toUnixTimestamp64Milli(assumeNotNull(expires_at))) AS expires_ms, released,
    NOT released AND (isNull(expires_at) OR expires_at > fromUnixTimestamp64Milli({now:Int64}, 'UTC')) AS active
FROM controls
WHERE active OR {all:UInt8} = 1
ORDER BY since_ms DESC, id
