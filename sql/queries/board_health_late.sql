-- How late calls reached Kafka after they were made: the one that 95 of 100 stay under, and the latest.
-- Columns: at (time), p95 (seconds), latest (seconds).
-- Order: at
-- Reads: agents
SELECT
    $__timeInterval(time) AS at,
    quantile(0.95)(greatest(0, dateDiff('millisecond', time, arrived_at)) / 1000) AS p95,
    max(greatest(0, dateDiff('millisecond', time, arrived_at)) / 1000) AS latest
FROM intake
WHERE outcome = 'call' AND $__timeFilter_ms(time)
GROUP BY at
ORDER BY at
