-- Plans against list prices by tier, in the months that the time range touches. break_even: units (tokens or calls) a
-- period at which the tier's present mix would cost the whole fee by list price.
-- Columns: plan (text), tier (text), calls (calls), tokens (tokens), list (USD), cost (USD), saved (USD), break_even (rows).
-- Order: plan, tier
-- Reads: plans
SELECT
    plan, t.tier AS tier, sum(t.calls) AS calls, sum(t.tokens) AS tokens, toFloat64(sum(t.list_usd)) AS list,
    toFloat64(sum(t.cost_usd)) AS cost, list - cost AS saved, toFloat64(max(t.break_even)) AS break_even
FROM plan_periods
ARRAY JOIN tiers AS t
WHERE plan != '' AND month >= toStartOfMonth(toTimeZone($__fromTime, 'UTC')) AND month <= toDate(toTimeZone($__toTime, 'UTC'))
GROUP BY plan, tier
ORDER BY plan, tier
LIMIT 200
