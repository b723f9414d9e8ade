-- Incidents as they stand: the open ones and those that were resolved since {since} (epoch ms of events), open and dear ones first.
-- Columns: incident_id, kind, severity, state, team_id, agent_id, run_id, first_ms (the first abnormal call), opened_ms,
-- resolved_ms (NULL: open), calls, cost_usd,
-- evidence, acknowledged_by, reopened.
SELECT
    incident_id, kind, severity, state, team_id, agent_id, run_id, toUnixTimestamp64Milli(first_time) AS first_ms,
    toUnixTimestamp64Milli(opened_at) AS opened_ms,
    if(isNull(resolved_at), NULL, toUnixTimestamp64Milli(assumeNotNull(resolved_at))) AS resolved_ms, calls, cost_usd, evidence,
    acknowledged_by, reopened
FROM incidents
WHERE NOT backfill AND (state = 'open' OR resolved_at >= fromUnixTimestamp64Milli({since:Int64}, 'UTC'))
ORDER BY state = 'open' DESC, severity = 'ticket', cost_usd DESC, opened_ms DESC
LIMIT {limit:UInt32}
