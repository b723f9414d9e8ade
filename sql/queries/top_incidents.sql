-- Open incidents, pages before tickets, then the dearest first.
-- Columns: incident_id, kind, severity, team_id, agent_id, run_id, opened_ms, calls, cost_usd (since the first abnormal call),
-- evidence, acknowledged_by.
SELECT
    incident_id, kind, severity, team_id, agent_id, run_id, toUnixTimestamp64Milli(opened_at) AS opened_ms, calls, cost_usd,
    evidence, acknowledged_by
FROM incidents
WHERE state = 'open' AND NOT backfill
ORDER BY severity = 'ticket', cost_usd DESC, opened_ms, incident_id
LIMIT {limit:UInt32}
