-- Calls and cost of each day (UTC) that has calls, in [first, end) (epoch ms of whole days).
-- Columns: day, calls, cost_usd.
SELECT toDate(s.hour) AS day, sum(s.calls) AS calls, ifNull(sum(s.cost_usd), 0) AS cost_usd
FROM spend_by_hour AS s
WHERE s.hour >= toDateTime(intDiv({first:Int64}, 1000), 'UTC') AND s.hour < toDateTime(intDiv({end:Int64}, 1000), 'UTC')
GROUP BY day
ORDER BY day
