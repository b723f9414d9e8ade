-- Models by spend in the time range. spend is NULL where no call has a price: unpriced is not zero.
-- Columns: model (text), provider (text), tier (text), spend (USD), share (share), calls (calls), tokens (tokens),
-- cost_per_1k (USD/1k), unpriced (calls).
-- Order: spend desc
-- Reads: hours
SELECT
    request_model AS model, provider_name AS provider, tier, toFloat64(sum(cost_usd)) AS spend,
    spend / nullIf(sum(spend) OVER (), 0) AS share, sum(s.calls) AS calls, sum(input_tokens) + sum(output_tokens) AS tokens,
    1000 * spend / nullIf(tokens, 0) AS cost_per_1k, sum(s.unpriced) AS unpriced
FROM spend_by_hour AS s
WHERE @hours AND @filter(team, tier, model)
GROUP BY model, provider, tier
ORDER BY spend DESC NULLS LAST, model, provider, tier
LIMIT 200
