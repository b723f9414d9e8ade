-- Spend by day (UTC) and tier.
-- Columns: day (time), tier (label), spend (USD).
-- Order: day, tier
-- Reads: hours
SELECT toStartOfDay(hour) AS day, tier, toFloat64(sum(cost_usd)) AS spend
FROM spend_by_hour
WHERE @hours AND @filter(team, tier, model)
GROUP BY day, tier
ORDER BY day, tier
