-- Runaways that ended in the time range, newest first; lasted: from the first abnormal call to the end.
-- Columns: resolved (time), severity (text), kind (text), agent (text), team (text), run (text), cost (USD), calls (calls),
-- lasted (seconds), reopened (count), evidence (text), incident (text).
-- Order: resolved desc
-- Reads: incidents
SELECT
    resolved_at AS resolved, severity, kind, agent_id AS agent, @team AS team, run_id AS run, toFloat64(cost_usd) AS cost, calls,
    dateDiff('second', first_time, resolved_at) AS lasted, reopened, evidence, incident_id AS incident
FROM incidents
WHERE state = 'resolved' AND NOT backfill AND isNotNull(resolved_at) AND $__timeFilter_ms(assumeNotNull(resolved_at))
    AND @filter(team, agent, incident)
ORDER BY resolved DESC, incident
LIMIT 200
