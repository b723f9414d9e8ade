-- Incidents that opened in the event time [{from}, {to}) (epoch ms), in that order.
-- Columns: incident_id, kind, severity, state, team_id, agent_id, run_id, runs, first_call_id, opened_ms, calls_before_open,
-- cost_before_open_usd, calls, cost_usd, evidence.
SELECT
    incident_id, kind, severity, state, team_id, agent_id, run_id, runs, first_call_id, toUnixTimestamp64Milli(opened_at) AS opened_ms,
    calls_before_open, cost_before_open_usd, calls, cost_usd, evidence
FROM incidents
WHERE opened_at >= fromUnixTimestamp64Milli({from:Int64}, 'UTC') AND opened_at < fromUnixTimestamp64Milli({to:Int64}, 'UTC')
ORDER BY opened_ms, incident_id
