-- Calls of {first} <= time < {end} (epoch ms) that have no price, by provider, model, answering model and reason, the most
-- frequent first: count, tokens, teams, first and last call (epoch ms).
SELECT
    c.provider_name, c.request_model, c.response_model, c.rated_price_status,
    count() AS calls, sum(c.input_tokens) + sum(c.output_tokens) AS tokens, uniqExact(c.team_id) AS teams,
    toUnixTimestamp64Milli(min(c.time)) AS first_ms, toUnixTimestamp64Milli(max(c.time)) AS last_ms
FROM rated_calls AS c
WHERE c.hour >= toDateTime(intDiv({first:Int64}, 3600000) * 3600, 'UTC') AND c.hour <= toDateTime(intDiv({end:Int64}, 1000), 'UTC')
    AND c.time >= fromUnixTimestamp64Milli({first:Int64}) AND c.time < fromUnixTimestamp64Milli({end:Int64})
    AND c.rated_cost_usd IS NULL
GROUP BY c.provider_name, c.request_model, c.response_model, c.rated_price_status
ORDER BY calls DESC, c.provider_name, c.request_model, c.response_model, c.rated_price_status
