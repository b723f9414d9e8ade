-- The range of savings for 30 days, as each day's estimate says.
-- Columns: at (time), at_least (USD), at_most (USD).
-- Order: at
-- Reads: figures
SELECT
    toDateTime(day, 'UTC') AS at, toFloat64(saving_low_usd) * 30 / days AS at_least,
    toFloat64(saving_high_usd) * 30 / days AS at_most
FROM savings_estimates
WHERE day >= toDate($__fromTime) AND day <= toDate($__toTime)
ORDER BY at
