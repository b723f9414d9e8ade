-- Spend in the event time [{from}, {to}) (epoch ms) by one column {by}, the first {limit} by {order}.
-- Empty filters let everything pass; {agent} takes the agent's sub-agents in. {ingested}: no call of the range was
-- written before it (epoch ms), so that older parts are not read.
-- Columns: key, calls, errors, unpriced, input_tokens, cached_tokens, output_tokens, cost_usd, agents, last_ms.
SELECT
    {by:Identifier} AS key,
    count() AS calls,
    countIf(c.status != 'ok') AS errors,
    count() - count(c.rated_cost_usd) AS unpriced,
    sum(c.input_tokens) AS input_tokens,
    sum(c.cache_read_input_tokens) AS cached_tokens,
    sum(c.output_tokens) AS output_tokens,
    ifNull(sum(c.rated_cost_usd), 0) AS cost_usd,
    uniq(c.agent_id) AS agents,
    toUnixTimestamp64Milli(max(c.time)) AS last_ms
FROM rated_calls AS c
WHERE c.time >= fromUnixTimestamp64Milli({from:Int64}, 'UTC') AND c.time < fromUnixTimestamp64Milli({to:Int64}, 'UTC')
    AND c.ingested_at >= fromUnixTimestamp64Milli({ingested:Int64}, 'UTC')
    AND ({agent:String} = '' OR c.agent_id = {agent:String} OR c.parent_agent_id = {agent:String})
    AND ({team:String} = '*' OR c.team_id = {team:String})
    AND ({tier:String} = '*' OR c.tier = {tier:String})
    AND ({model:String} = '*' OR c.request_model = {model:String})
    AND ({search:String} = '' OR positionCaseInsensitiveUTF8({by:Identifier}, {search:String}) > 0)
GROUP BY key
ORDER BY {order:Identifier} DESC, key
LIMIT {limit:UInt32}
