-- Rejects by reason: how many, how many of them nobody has mended yet, when they came.
-- {since}, {until}: arrival, epoch ms. Columns: reason, rejects, open, first, last.
SELECT
    reason, count() AS rejects,
    countIf((incarnation, partition, offset, item) NOT IN
        (SELECT incarnation, partition, offset, item FROM reject_retries)) AS open,
    min(arrived_at) AS first, max(arrived_at) AS last
FROM intake
WHERE outcome = 'reject'
    AND arrived_at >= fromUnixTimestamp64Milli({since:Int64}) AND arrived_at < fromUnixTimestamp64Milli({until:Int64})
GROUP BY reason
ORDER BY open DESC, rejects DESC, reason
