-- The names that calls of {first} <= time < {end} (epoch ms) were priced by, with their first and last time (epoch ms).
SELECT
    c.provider_name, c.request_model, c.response_model,
    toUnixTimestamp64Milli(min(c.time)) AS first_ms, toUnixTimestamp64Milli(max(c.time)) AS last_ms
FROM calls AS c
WHERE c.hour >= toDateTime(intDiv({first:Int64}, 3600000) * 3600, 'UTC') AND c.hour <= toDateTime(intDiv({end:Int64}, 1000), 'UTC')
    AND c.time >= fromUnixTimestamp64Milli({first:Int64}) AND c.time < fromUnixTimestamp64Milli({end:Int64})
GROUP BY c.provider_name, c.request_model, c.response_model
ORDER BY c.provider_name, c.request_model, c.response_model
