-- Spend by tier in the time range.
-- Columns: tier (text), spend (USD).
-- Order: spend desc
-- Reads: hours
SELECT tier, toFloat64(sum(cost_usd)) AS spend
FROM spend_by_hour
WHERE @hours AND @filter(team, tier, model)
GROUP BY tier
ORDER BY spend DESC NULLS LAST, tier
