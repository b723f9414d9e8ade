-- The whole ledger in one row: distinct calls, those without a price, tokens, cost (USD); price and cost as rated now.
SELECT
    count() AS calls,
    count() - count(i.cost_usd) - (SELECT sum(s.priced_change) FROM settled_adjustments AS s) AS unpriced,
    sum(i.input_tokens) AS input_tokens,
    sum(i.output_tokens) AS output_tokens,
    ifNull(sum(i.cost_usd), 0) + (SELECT ifNull(sum(s.adjustment_usd), 0) FROM settled_adjustments AS s) AS cost_usd
FROM intake AS i
WHERE i.outcome = 'call'
