-- Cost per 1,000 tokens (input and output together) by day (UTC) and tier, of models that have a price.
-- Columns: day (time), tier (label), cost_per_1k (USD/1k).
-- Order: day, tier
-- Reads: hours
SELECT m.day AS day, m.tier AS tier, 1000 * toFloat64(sum(m.cost)) / nullIf(sum(m.tokens), 0) AS cost_per_1k
FROM
(
    SELECT toStartOfDay(hour) AS day, tier, request_model, sum(cost_usd) AS cost, sum(input_tokens) + sum(output_tokens) AS tokens
    FROM spend_by_hour
    WHERE @hours AND @filter(team, tier, model)
    GROUP BY day, tier, request_model
    HAVING sum(calls) > sum(unpriced)
) AS m
GROUP BY day, tier
ORDER BY day, tier
