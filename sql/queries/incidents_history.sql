-- Every change of incident {id}, the first first: number, change, at_ms (event time), recorded_ms (clock), severity, calls, cost_usd
-- (decimal string), by (empty: the detector), reason, action_id.
SELECT
    number, change, toUnixTimestamp64Milli(at) AS at_ms, toUnixTimestamp64Milli(recorded_at) AS recorded_ms, severity,
    calls, toString(cost_usd) AS cost, by, reason, action_id
FROM incident_events
WHERE incident_id = {id:String} AND change != 'updated'
ORDER BY number, recorded_ms DESC
LIMIT 1 BY number
