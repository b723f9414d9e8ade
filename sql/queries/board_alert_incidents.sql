-- Runaways that are open and page somebody; the number is what each has cost since its first abnormal call.
-- Columns: incident (text), kind (text), agent (text), run (text), team (text), severity (text), cost (USD).
-- Reads: incidents
SELECT
    incident_id AS incident, kind, agent_id AS agent, run_id AS run, @team AS team, severity, toFloat64(cost_usd) AS cost
FROM incidents
WHERE state = 'open' AND page AND NOT backfill
ORDER BY cost DESC, incident
LIMIT 200
