-- Share of judged runs that succeeded, by day (UTC) on which they began and by tier; days with fewer than five are left out.
-- Columns: day (time), tier (label), success (share).
-- Order: day, tier
-- Reads: outcomes
SELECT toStartOfDay(fromUnixTimestamp64Milli(j.began_ms, 'UTC')) AS day, j.tier AS tier, avg(j.success) AS success
FROM @judged AS j
WHERE @filter(team, tier, model, agent)
GROUP BY day, tier
HAVING count() >= 5
ORDER BY day, tier
