-- The agents of {first} <= hour < {end} that cost most: teams, runs, calls, tokens, unpriced calls, computed cost (USD).
SELECT
    c.tenant_id, c.agent_id,
    arrayStringConcat(arraySort(groupUniqArrayIf(c.team_id, c.team_id != '')), ', ') AS teams,
    uniqExactIf(c.run_id, c.run_id != '') AS runs,
    count() AS calls,
    sum(c.input_tokens) AS input_tokens,
    sum(c.output_tokens) AS output_tokens,
    count() - count(c.rated_cost_usd) AS unpriced,
    ifNull(sum(c.rated_cost_usd), 0) AS cost_usd
FROM rated_calls AS c
WHERE c.hour >= {first:DateTime('UTC')} AND c.hour < {end:DateTime('UTC')}
GROUP BY c.tenant_id, c.agent_id
ORDER BY cost_usd DESC, calls DESC, c.tenant_id, c.agent_id
LIMIT {top:UInt32}
