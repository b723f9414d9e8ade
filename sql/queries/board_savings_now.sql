-- The latest estimate of savings in the time range, in one row; savings are for 30 days like those it looked at.
-- Columns: judged (share), routine (share), movable (share), unknown (share), saving_low (USD), saving_high (USD),
-- recommendation (text).
-- Reads: figures
SELECT
    judged_share AS judged, routine_low AS routine, movable_low AS movable, movable_high - movable_low AS unknown,
    toFloat64(saving_low_usd) * 30 / days AS saving_low, toFloat64(saving_high_usd) * 30 / days AS saving_high,
    recommendation
FROM savings_estimates
WHERE day >= toDate($__fromTime) AND day <= toDate($__toTime)
ORDER BY day DESC
LIMIT 1
