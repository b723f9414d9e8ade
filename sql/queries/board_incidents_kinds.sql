-- Runaways opened over time, by what gave them away.
-- Columns: at (time), kind (label), opened (count).
-- Order: at, kind
-- Reads: incidents
SELECT $__timeInterval(opened_at) AS at, kind, count() AS opened
FROM incidents
WHERE NOT backfill AND $__timeFilter_ms(opened_at) AND @filter(team, agent)
GROUP BY at, kind
ORDER BY at, kind
