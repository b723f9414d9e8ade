-- Incidents whose state is in {states}, of id {id} unless that is empty, the dearest first, at most {limit}.
-- Columns: incident_id, kind, severity, state, team_id, tier, agent_id, run_id, first_ms, opened_ms, resolved_ms (NULL: open), calls,
-- cost_usd (decimal string), evidence, acknowledged_by, silenced_until_ms (NULL: never), reopened, pages, backfill. Times are epoch ms.
SELECT
    incident_id, kind, severity, state, team_id, tier, agent_id, run_id, toUnixTimestamp64Milli(first_time) AS first_ms,
    toUnixTimestamp64Milli(opened_at) AS opened_ms,
    if(isNull(resolved_at), NULL, toUnixTimestamp64Milli(assumeNotNull(resolved_at))) AS resolved_ms,
    calls, toString(i.cost_usd) AS cost, evidence, acknowledged_by,
    if(isNull(silenced_until), NULL, toUnixTimestamp64Milli(assumeNotNull(silenced_until))) AS silenced_until_ms,
    reopened, pages, backfill
FROM incidents AS i
WHERE state IN {states:Array(String)} AND (empty({id:String}) OR incident_id = {id:String})
ORDER BY i.cost_usd DESC, opened_ms DESC, incident_id
LIMIT {limit:UInt32}
