-- Controls whose latest change names incident {id}: id, mode, action, rate_per_minute, reason, policy, by, since_ms, expires_ms (NULL: none),
-- released.
SELECT
    id, mode, action, toString(rate_per_minute) AS rate, reason, policy, by, toUnixTimestamp64Milli(since) AS since_ms,
    if(isNull(expires_at), NULL, toUnixTimestamp64Milli(assumeNotNull(expires_at))) AS expires_ms, released
FROM controls
WHERE incident_id = {id:String}
ORDER BY id
