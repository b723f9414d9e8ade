-- Plans by period, in the months that the time range touches, newest first. capacity, taken, beyond and break_even are in
-- `unit` (tokens, calls or usd); no capacity: no limit. break_even: units a period at which the present mix costs the fee
-- by list price. saved: list prices less the plan.
-- Columns: starts (text), plan (text), kind (text), unit (text), used (share), capacity (rows), taken (rows), beyond (rows),
-- break_even (rows), fee (USD), idle (USD), overage (USD), total (USD), list (USD), saved (USD), unpriced (calls).
-- Order: starts desc
-- Reads: plans
SELECT
    formatDateTime(p.starts, '%Y-%m-%d', 'UTC') AS starts, if(p.plan = '', '(no plan)', p.plan) AS plan, kind, unit,
    if(isNull(p.capacity), NULL, toFloat64(p.used) / nullIf(toFloat64(p.capacity), 0)) AS used, toFloat64(p.capacity) AS capacity,
    toFloat64(p.used) AS taken, toFloat64(p.beyond) AS beyond, toFloat64(p.break_even) AS break_even,
    toFloat64(fee_usd) AS fee, toFloat64(idle_usd) AS idle, toFloat64(overage_usd) AS overage, toFloat64(total_usd) AS total,
    toFloat64(p.list_usd) AS list, list - total AS saved, unpriced_calls AS unpriced
FROM plan_periods AS p
WHERE month >= toStartOfMonth(toTimeZone($__fromTime, 'UTC')) AND month <= toDate(toTimeZone($__toTime, 'UTC'))
ORDER BY starts DESC, plan
LIMIT 200
