-- How much of its amount each budget has used, of those that hold the end of the time range.
-- Columns: budget (text), value (text), kind (text), used (share).
-- Reads: budgets
SELECT budget, value, if(hard, 'hard', 'soft') AS kind, toFloat64(spent_usd) / toFloat64(amount_usd) AS used
FROM budget_states
WHERE period_start <= @until AND period_end > @until AND amount_usd > 0
ORDER BY used DESC, budget, value
LIMIT 200
