-- What Grafana should have as annotations, of everything that was recorded since {since} (epoch ms of the clock).
-- Columns: id, kind (incident, price change, budget change, plan change, tier change, policy change, deployment), at_ms, until_ms (0: a moment, or
-- not over yet), text, team_id, severity.
SELECT
    incident_id AS id, 'incident' AS kind, toUnixTimestamp64Milli(opened_at) AS at_ms,
    if(isNull(resolved_at), 0, toUnixTimestamp64Milli(assumeNotNull(resolved_at))) AS until_ms,
    concat(
        replaceAll(i.kind, '_', ' '), ' by ', agent_id, if(run_id = '', '', concat(', run ', run_id)), ': ',
        if(state = 'open', '', concat('resolved after ', toString(calls), ' calls. ')), evidence
    ) AS text,
    team_id, severity
FROM incidents AS i
WHERE NOT backfill AND i.recorded_at >= fromUnixTimestamp64Milli({since:Int64}, 'UTC')
UNION ALL
SELECT
    id, 'price change', toUnixTimestamp64Milli(finished_at), 0,
    concat('calls rated again by ', r.by, ': ', reason, ' (', toString(changed), ' calls, ', toString(sum_usd), ' USD)'), '', ''
FROM ratings AS r
WHERE r.id IN (SELECT rating_id FROM settled_ratings) AND r.finished_at >= fromUnixTimestamp64Milli({since:Int64}, 'UTC')
UNION ALL
SELECT
    id,
    transform(
        what, ['version', 'prices', 'budgets', 'plans', 'tiers', 'policies'],
        ['deployment', 'price change', 'budget change', 'plan change', 'tier change', 'policy change'], what
    ),
    toUnixTimestamp64Milli(at), 0, text, '', ''
FROM changes
WHERE text != '' AND at >= fromUnixTimestamp64Milli({since:Int64}, 'UTC')
