-- Spend from the first of the month to the end of the time range, beside the same stretch of the month before.
-- Columns: spend (USD), last_month (USD), change (change).
-- Reads: hours
WITH
    toTimeZone($__toTime, 'UTC') AS now_utc,
    toDateTime(toStartOfMonth(now_utc), 'UTC') AS this_first,
    toDateTime(toStartOfMonth(now_utc - INTERVAL 1 MONTH), 'UTC') AS last_first,
    now_utc - INTERVAL 1 MONTH AS last_now
SELECT
    toFloat64(sumIf(h.spend, h.hour >= this_first)) AS spend,
    toFloat64(sumIf(h.spend, h.hour < last_now)) AS last_month,
    if(last_month > 0, spend / last_month - 1, NULL) AS change
FROM
(
    SELECT hour, sum(cost_usd) AS spend FROM spend_by_hour
    WHERE hour >= last_first AND hour < now_utc AND @filter(team, tier, model)
    GROUP BY hour
) AS h
