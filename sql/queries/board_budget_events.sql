-- What happened to budgets in the time range, the newest 200: thresholds crossed, burn alerts on and off, forecasts that
-- broke the amount. mark: the threshold in per cent, or the windows in hours.
-- Columns: at (time), budget (text), event (text), mark (text), severity (text), spent (USD), amount (USD), title (text).
-- Order: at desc
-- Reads: budgets
SELECT
    at, budget, toString(kind) AS event, mark, toString(severity) AS severity, toFloat64(spent_usd) AS spent,
    toFloat64(amount_usd) AS amount, title
FROM budget_events
WHERE $__timeFilter_ms(at)
ORDER BY at DESC, id
LIMIT 200
