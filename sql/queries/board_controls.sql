-- What routers are told now, newest first: which run, agent or key is warned, slowed down or blocked, by whom and until when.
-- Columns: since (time), mode (text), action (text), scope (text), subject (text), per_minute (count), reason (text), by (text),
-- expires (time), incident (text).
-- Order: since desc
-- Reads: incidents
SELECT
    since, toString(mode) AS mode, toString(action) AS action, toString(scope) AS scope, subject,
    toFloat64(rate_per_minute) AS per_minute, reason, if(by = '', concat('policy ', policy), by) AS by, expires_at AS expires,
    incident_id AS incident
FROM controls
WHERE NOT released AND (isNull(expires_at) OR expires_at > @until) AND @filter(incident)
ORDER BY since DESC, id
LIMIT 200
