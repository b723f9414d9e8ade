-- Calls of {first} <= time < {end} (epoch ms) that have both a cost that the router told and one that we computed, by
-- provider and model: both sums (USD, as text, exact).
SELECT
    c.provider_name, c.request_model, count() AS calls,
    toString(sum(c.reported_cost)) AS reported_usd, toString(sum(c.rated_cost_usd)) AS computed_usd
FROM rated_calls AS c
WHERE c.hour >= toDateTime(intDiv({first:Int64}, 3600000) * 3600, 'UTC') AND c.hour <= toDateTime(intDiv({end:Int64}, 1000), 'UTC')
    AND c.time >= fromUnixTimestamp64Milli({first:Int64}) AND c.time < fromUnixTimestamp64Milli({end:Int64})
    AND c.reported_cost IS NOT NULL AND c.rated_cost_usd IS NOT NULL
GROUP BY c.provider_name, c.request_model
ORDER BY c.provider_name, c.request_model
