-- How long calls took from the Kafka record to the ledger, by the time they were made.
-- Columns: at (time), p50 (seconds), p95 (seconds), p99 (seconds).
-- Order: at
-- Reads: agents
SELECT
    $__timeInterval(time) AS at,
    quantile(0.5)(dateDiff('millisecond', arrived_at, ingested_at) / 1000) AS p50,
    quantile(0.95)(dateDiff('millisecond', arrived_at, ingested_at) / 1000) AS p95,
    quantile(0.99)(dateDiff('millisecond', arrived_at, ingested_at) / 1000) AS p99
FROM intake
WHERE outcome = 'call' AND $__timeFilter_ms(time)
GROUP BY at
ORDER BY at
