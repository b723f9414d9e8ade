-- Shares of calls that are routine, that could move to a cheaper tier, and of which too little is known, by day.
-- Columns: at (time), routine (share), could_move (share), not_known (share).
-- Order: at
-- Reads: figures
SELECT
    toDateTime(day, 'UTC') AS at, routine_low AS routine, movable_low AS could_move, movable_high - movable_low AS not_known
FROM savings_estimates
WHERE day >= toDate($__fromTime) AND day <= toDate($__toTime)
ORDER BY at
