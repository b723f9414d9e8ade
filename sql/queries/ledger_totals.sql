-- The whole ledger in one row: distinct calls, those without a price, tokens, computed cost (USD).
SELECT
    count() AS calls,
    count() - count(c.cost_usd) AS unpriced,
    sum(c.input_tokens) AS input_tokens,
    sum(c.output_tokens) AS output_tokens,
    ifNull(sum(c.cost_usd), 0) AS cost_usd
FROM calls AS c
