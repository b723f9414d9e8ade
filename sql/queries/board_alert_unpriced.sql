-- Calls without a price in the time range, a row for each model; no row means none.
-- Columns: provider (text), model (text), unpriced (calls).
-- Reads: hours
SELECT provider_name AS provider, request_model AS model, count() - count(cost_usd) AS unpriced
FROM intake
WHERE outcome = 'call' AND @hours
GROUP BY provider, model
-- count(cost_usd) alone would be answered from the column's NULL map, by a scan; beside its sum the roll-up answers
HAVING count() > count(cost_usd) OR sum(cost_usd) IS NULL
ORDER BY unpriced DESC, provider, model
LIMIT 50
