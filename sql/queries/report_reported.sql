-- Calls of {first} <= hour < {end} whose router told a cost, by provider: its sum beside ours for the same calls (USD).
SELECT
    c.provider_name,
    count() AS calls,
    count() - count(c.rated_cost_usd) AS unpriced,
    ifNull(sum(c.reported_cost), 0) AS reported_usd,
    ifNull(sum(c.rated_cost_usd), 0) AS cost_usd
FROM rated_calls AS c
WHERE c.hour >= {first:DateTime('UTC')} AND c.hour < {end:DateTime('UTC')} AND c.reported_cost IS NOT NULL
GROUP BY c.provider_name
ORDER BY c.provider_name
