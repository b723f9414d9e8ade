-- Calls without a price in the time range, a row for each model; no row means none.
-- Columns: provider (text), model (text), unpriced (calls).
-- Reads: hours
SELECT provider_name AS provider, request_model AS model, sum(s.unpriced) AS unpriced
FROM spend_by_hour AS s
WHERE @hours
GROUP BY provider, model
HAVING unpriced > 0
ORDER BY unpriced DESC, provider, model
LIMIT 50
