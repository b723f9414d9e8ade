-- Every change of control {id}, the first first; columns as `controls_list`, `active` is 0 throughout.
SELECT
    id, number, mode, action, toString(rate_per_minute) AS rate, reason, incident_id, policy, by,
    toUnixTimestamp64Milli(since) AS since_ms,
    if(isNull(expires_at), NULL, toUnixTimestamp64Milli(assumeNotNull(expires_at))) AS expires_ms, released, 0 AS active
FROM control_events
WHERE id = {id:String}
ORDER BY number
