-- Events of budgets that are recorded: of periods from {since} (epoch ms) on, and all of burn alerts, which are numbered.
SELECT e.budget, e.value, toString(e.kind) AS kind, e.mark, e.id
FROM budget_events AS e
WHERE e.period_start >= fromUnixTimestamp64Milli({since:Int64}) OR e.kind IN ('burning', 'calm')
