-- The values of @value that spent {floor} USD or more in {first} <= time < {end} (epoch seconds), the largest first; of the
-- calls that @scope holds for. Calls without a value belong to no one and are left out.
SELECT u.value, sum(u.usd) AS spent
FROM
(
    SELECT @value AS value, sum(ifNull(c.cost_usd, 0)) AS usd
    FROM calls AS c
    WHERE c.time >= fromUnixTimestamp64Milli({first:Int64} * 1000) AND c.time < fromUnixTimestamp64Milli({end:Int64} * 1000) AND @scope
    GROUP BY value
    UNION ALL
    SELECT @value AS value, sum(c.adjustment_usd) AS usd
    FROM settled_adjustments AS c
    WHERE c.hour >= toDateTime(intDiv({first:Int64}, 3600) * 3600, 'UTC') AND c.hour < toDateTime({end:Int64}, 'UTC')
        AND c.time >= fromUnixTimestamp64Milli({first:Int64} * 1000) AND c.time < fromUnixTimestamp64Milli({end:Int64} * 1000) AND @scope
    GROUP BY value
) AS u
WHERE u.value != ''
GROUP BY u.value
HAVING spent >= toDecimal128({floor:String}, 12)
ORDER BY spent DESC, u.value
LIMIT {most:UInt32}
