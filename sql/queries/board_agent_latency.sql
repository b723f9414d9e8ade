-- How long answered calls took: the middle one, and the one that 95 of 100 stay under.
-- Columns: at (time), p50 (ms), p95 (ms).
-- Order: at
-- Reads: agents
SELECT $__timeInterval(time) AS at, quantile(0.5)(latency_ms) AS p50, quantile(0.95)(latency_ms) AS p95
FROM intake
WHERE outcome = 'call' AND latency_ms IS NOT NULL AND $__timeFilter_ms(time) AND @filter(team, tier, model, agent)
GROUP BY at
ORDER BY at
