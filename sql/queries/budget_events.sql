-- What happened to budgets in {first} <= at < {end} (epoch ms), the latest first.
SELECT e.at, e.budget, e.value, e.period_start, e.kind, e.mark, e.number, e.severity, e.told, e.spent_usd, e.amount_usd, e.title
FROM budget_events AS e
WHERE e.at >= fromUnixTimestamp64Milli({first:Int64}) AND e.at < fromUnixTimestamp64Milli({end:Int64})
ORDER BY e.at DESC, e.budget, e.value, e.id
