-- Calls without a price, by provider and model. Their cost is in no sum.
-- Columns: provider (text), model (text), unpriced (calls), tokens (tokens), share (share).
-- Order: unpriced desc
-- Reads: hours
SELECT
    if(provider_name = '', '(none)', provider_name) AS provider, request_model AS model, count() - count(cost_usd) AS unpriced,
    sum(input_tokens) + sum(output_tokens) AS tokens, unpriced / count() AS share
FROM intake
WHERE outcome = 'call' AND @hours
GROUP BY provider, model
-- count(cost_usd) alone would be answered from the column's NULL map, by a scan; beside its sum the roll-up answers
HAVING count() > count(cost_usd) OR sum(cost_usd) IS NULL
ORDER BY unpriced DESC, provider, model
LIMIT 100
