-- Spend of some hours (epoch seconds) by hour and @value, of the calls that @scope holds for: what the roll-up does not
-- know (agents, keys, runs). Calls and the adjustments of ratings, added up.
SELECT
    toUnixTimestamp(u.hour) AS at, u.value,
    toString(sum(u.usd)) AS usd,
    sum(u.unpriced) AS unpriced
FROM
(
    SELECT
        c.hour AS hour, @value AS value,
        sum(ifNull(c.cost_usd, 0)) AS usd,
        toInt64(count()) - toInt64(count(c.cost_usd)) AS unpriced
    FROM calls AS c
    WHERE c.time >= fromUnixTimestamp64Milli({first:Int64} * 1000) AND c.time < fromUnixTimestamp64Milli(({last:Int64} + 3600) * 1000)
        AND has({hours:Array(UInt32)}, toUnixTimestamp(c.hour)) AND @scope
    GROUP BY hour, value
    UNION ALL
    SELECT
        c.hour AS hour, @value AS value,
        sum(c.adjustment_usd) AS usd,
        -toInt64(sum(c.priced_change)) AS unpriced
    FROM settled_adjustments AS c
    WHERE c.hour >= toDateTime({first:Int64}, 'UTC') AND c.hour <= toDateTime({last:Int64}, 'UTC')
        AND c.time >= fromUnixTimestamp64Milli({first:Int64} * 1000) AND c.time < fromUnixTimestamp64Milli(({last:Int64} + 3600) * 1000)
        AND has({hours:Array(UInt32)}, toUnixTimestamp(c.hour)) AND @scope
    GROUP BY hour, value
) AS u
GROUP BY at, u.value
