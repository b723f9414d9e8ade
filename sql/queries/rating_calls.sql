-- Calls of {first} <= time < {end} (epoch ms, within whole hours {first_hour} to {last_hour}), of share {share} of
-- {shares}, of {models} only if any are given: what their price depends on, and what it is now.
SELECT
    c.incarnation AS incarnation, c.partition AS partition, c.offset AS offset, c.item AS item,
    c.ingested_at AS ingested_at, c.id AS id, c.time AS time, c.tenant_id AS tenant_id, c.team_id AS team_id,
    c.agent_id AS agent_id, c.run_id AS run_id, c.provider_name AS provider_name, c.request_model AS request_model,
    c.response_model AS response_model, c.tier AS tier, c.task_class AS task_class, c.api_key_id AS api_key_id,
    c.plan_id AS plan_id, toUnixTimestamp64Milli(c.time) AS time_ms,
    toInt64(c.input_tokens) AS input_tokens, toInt64(c.output_tokens) AS output_tokens,
    toInt64(c.cache_read_input_tokens) AS cache_read_input_tokens,
    toInt64(c.cache_write_input_tokens) AS cache_write_input_tokens, c.latency_ms AS latency_ms,
    c.rated_cost_usd AS rated_cost_usd
FROM rated_calls AS c
WHERE c.hour >= toDateTime({first_hour:UInt32}, 'UTC') AND c.hour <= toDateTime({last_hour:UInt32}, 'UTC')
    AND c.time >= fromUnixTimestamp64Milli({first:Int64}) AND c.time < fromUnixTimestamp64Milli({end:Int64})
    AND (empty({models:Array(String)}) OR c.request_model IN {models:Array(String)})
    AND cityHash64(c.id) % {shares:UInt32} = {share:UInt32}
