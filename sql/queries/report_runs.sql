-- The runs that cost most, by their calls in {first} <= hour < {end}: who began, teams, agents, first and last call.
SELECT
    c.tenant_id, c.run_id,
    argMin(c.agent_id, (c.time, c.agent_id)) AS first_agent,
    arrayStringConcat(arraySort(groupUniqArrayIf(c.team_id, c.team_id != '')), ', ') AS teams,
    uniqExact(c.agent_id) AS agents,
    min(c.time) AS first_call,
    max(c.time) AS last_call,
    count() AS calls,
    sum(c.input_tokens) AS input_tokens,
    sum(c.output_tokens) AS output_tokens,
    count() - count(c.rated_cost_usd) AS unpriced,
    ifNull(sum(c.rated_cost_usd), 0) AS cost_usd
FROM rated_calls AS c
WHERE c.hour >= {first:DateTime('UTC')} AND c.hour < {end:DateTime('UTC')} AND c.run_id != ''
GROUP BY c.tenant_id, c.run_id
ORDER BY cost_usd DESC, calls DESC, c.tenant_id, c.run_id
LIMIT {top:UInt32}
