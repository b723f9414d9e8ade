-- Calls without a price, by provider and model. Their cost is in no sum.
-- Columns: provider (text), model (text), unpriced (calls), tokens (tokens), share (share).
-- Order: unpriced desc
-- Reads: hours
SELECT
    if(provider_name = '', '(none)', provider_name) AS provider, request_model AS model, sum(s.unpriced) AS unpriced,
    sum(input_tokens) + sum(output_tokens) AS tokens, unpriced / sum(s.calls) AS share
FROM spend_by_hour AS s
WHERE @hours
GROUP BY provider, model
HAVING unpriced > 0
ORDER BY unpriced DESC, provider, model
LIMIT 100
