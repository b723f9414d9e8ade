-- Budgets whose period lies in {first} <= start < {end}, as they stand: name, value, amount, spent, remaining (USD), hard,
-- the threshold reached in per cent, calls of the period without a price.
SELECT b.budget, b.value, b.period, b.period_start, b.amount_usd, b.spent_usd, b.remaining_usd, b.hard, b.crossed, b.unpriced
FROM budget_states AS b
WHERE b.period_start >= fromUnixTimestamp64Milli({first_ms:Int64}, 'UTC') AND b.period_start < fromUnixTimestamp64Milli({end_ms:Int64}, 'UTC')
    AND b.period = 'month'
ORDER BY b.remaining_usd, b.budget, b.value, b.period_start
