-- Budgets in their present period (the one that holds {at}, epoch ms), the most spent first.
-- Columns: budget, value, period, hard, start_ms, end_ms, amount_usd, spent_usd, forecast_usd (NULL: none), rough (the past
-- is too short for an interval), crossed (%), burning.
SELECT
    budget, value, toString(period) AS period, hard, toUnixTimestamp64Milli(period_start) AS start_ms,
    toUnixTimestamp64Milli(period_end) AS end_ms, amount_usd, spent_usd, forecast_usd, isNull(forecast_low_usd) AS rough, crossed, burning
FROM budget_states
WHERE period_start <= fromUnixTimestamp64Milli({at:Int64}, 'UTC') AND period_end > fromUnixTimestamp64Milli({at:Int64}, 'UTC')
ORDER BY if(amount_usd = 0, 0, toFloat64(spent_usd) / toFloat64(amount_usd)) DESC, budget, value
LIMIT {limit:UInt32}
