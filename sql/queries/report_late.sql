-- Calls of {first} <= hour < {end} that reached the ledger {late_hours} hours or more after they were made, by day.
-- `after_period`: of these, the calls that came {late_hours} hours or more after {end}, when the period was long over.
SELECT
    toDate(c.time) AS day,
    count() AS calls,
    count() - count(c.rated_cost_usd) AS unpriced,
    ifNull(sum(c.rated_cost_usd), 0) AS cost_usd,
    countIf(c.ingested_at >= {end:DateTime('UTC')} + toIntervalHour({late_hours:UInt32})) AS after_period,
    ifNull(sumIf(c.rated_cost_usd, c.ingested_at >= {end:DateTime('UTC')} + toIntervalHour({late_hours:UInt32})), 0) AS after_period_usd,
    max(c.ingested_at) AS last_ingested
FROM rated_calls AS c
WHERE c.hour >= {first:DateTime('UTC')} AND c.hour < {end:DateTime('UTC')}
    AND c.ingested_at >= c.time + toIntervalHour({late_hours:UInt32})
GROUP BY day
ORDER BY day
