-- Spend over time by tier; a bucket is never shorter than an hour.
-- Columns: at (time), tier (label), spend (USD).
-- Order: at, tier
-- Reads: hours
SELECT $__timeInterval(hour) AS at, tier, toFloat64(sum(cost_usd)) AS spend
FROM spend_by_hour
WHERE @hours AND @filter(team, tier, model)
GROUP BY at, tier
ORDER BY at, tier
