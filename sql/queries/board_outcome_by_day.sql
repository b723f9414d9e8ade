-- Share of judged runs that succeeded, by day (UTC) on which they began and by tier; days with fewer than five are left out.
-- Columns: day (time), tier (label), success (share).
-- Order: day, tier
-- Reads: outcomes
SELECT toStartOfDay(j.began_at) AS day, j.tier AS tier, avg(j.success) AS success
FROM judged_runs AS j
WHERE $__timeFilter_ms(j.began_at) AND @filter(team, tier, model, agent)
GROUP BY day, tier
HAVING count() >= 5
ORDER BY day, tier
