-- The newest {limit} calls of a run in the event time [{from}, {to}) (epoch ms), or, with an empty {run}, those of {agent}
-- that belong to no run.
-- Columns: time_ms, agent_id, request_model, tier, input_tokens, cached_tokens, output_tokens, cost_usd (NULL: unpriced),
-- status, attempt, tool_name, latency_ms.
SELECT
    toUnixTimestamp64Milli(c.time) AS time_ms, c.agent_id, c.request_model, c.tier, c.input_tokens,
    c.cache_read_input_tokens AS cached_tokens, c.output_tokens, c.rated_cost_usd, c.status, c.attempt, c.tool_name, c.latency_ms
FROM rated_calls AS c
WHERE c.run_id = {run:String} AND ({run:String} != '' OR c.agent_id = {agent:String})
    AND c.time >= fromUnixTimestamp64Milli({from:Int64}, 'UTC') AND c.time < fromUnixTimestamp64Milli({to:Int64}, 'UTC')
    AND c.ingested_at >= fromUnixTimestamp64Milli({ingested:Int64}, 'UTC')
ORDER BY c.time DESC, c.id
LIMIT {limit:UInt32}
