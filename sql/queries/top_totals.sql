-- The whole ledger by outcome (call, duplicate, reject, moved). Answered by the projection `by_hour`.
-- Columns: outcome, rows, unpriced, input_tokens, output_tokens, cost_usd (USD; 0 where nothing is priced).
SELECT
    outcome,
    count() AS rows,
    count() - count(i.cost_usd) - if(outcome = 'call', (SELECT sum(s.priced_change) FROM settled_adjustments AS s), 0) AS unpriced,
    sum(i.input_tokens) AS input_tokens,
    sum(i.output_tokens) AS output_tokens,
    ifNull(sum(i.cost_usd), 0) + if(outcome = 'call', (SELECT ifNull(sum(s.adjustment_usd), 0) FROM settled_adjustments AS s), 0) AS cost_usd
FROM intake AS i
WHERE outcome != 'gap'
GROUP BY outcome
