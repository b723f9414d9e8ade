-- Incidents that opened from {first} through {last} (epoch ms, event time), oldest first, for `replay` and `recheck`.
SELECT
    incident_id, kind, severity, state, page, agent_id, run_id, first_call_id,
    toUnixTimestamp64Milli(first_time) AS first_ms, toUnixTimestamp64Milli(opened_at) AS opened_ms, opened_by,
    calls_before_open, toString(i.cost_before_open_usd) AS cost_before, calls, toString(i.cost_usd) AS cost, evidence,
    kinds, ready, reopened,
    if(isNull(resolved_at), NULL, toUnixTimestamp64Milli(assumeNotNull(resolved_at))) AS resolved_ms, tenant_id,
    team_id, tier
FROM incidents AS i
WHERE opened_at >= fromUnixTimestamp64Milli({first:Int64}, 'UTC') AND opened_at <= fromUnixTimestamp64Milli({last:Int64}, 'UTC')
ORDER BY opened_ms, incident_id
