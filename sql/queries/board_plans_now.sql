-- What plans came to in the months that the time range touches, beside list prices; only plans, not calls without one.
-- used: share of the paid capacity that was used, of plans that have a limit. saved is below zero when the plans cost more
-- than list prices would have.
-- Columns: total (USD), fees (USD), idle (USD), overage (USD), list (USD), saved (USD), used (share).
-- Reads: plans
SELECT
    if(count() = 0, NULL, toFloat64(sum(total_usd))) AS total, toFloat64(sum(fee_usd)) AS fees, toFloat64(sum(idle_usd)) AS idle,
    toFloat64(sum(overage_usd)) AS overage, toFloat64(sum(p.list_usd)) AS list,
    if(count() = 0, NULL, toFloat64(sum(p.list_usd)) - toFloat64(sum(total_usd))) AS saved,
    1 - toFloat64(sumIf(idle_usd, isNotNull(capacity))) / nullIf(toFloat64(sumIf(fee_usd, isNotNull(capacity))), 0) AS used
FROM plan_periods AS p
WHERE plan != '' AND month >= toStartOfMonth(toTimeZone($__fromTime, 'UTC')) AND month <= toDate(toTimeZone($__toTime, 'UTC'))
