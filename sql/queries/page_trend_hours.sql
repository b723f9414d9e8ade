-- As page_trend, for ranges of days: from the roll-up by hour; {step} is a multiple of 3600, {from} and {to} are full hours.
-- Columns: at_s (begin of the step, epoch seconds), tier, calls, cost_usd.
SELECT
    toUnixTimestamp(toStartOfInterval(s.hour, toIntervalSecond({step:UInt32}))) AS at_s,
    s.tier AS tier,
    sum(s.calls) AS calls,
    ifNull(sum(s.cost_usd), 0) AS cost_usd
FROM spend_by_hour AS s
WHERE s.hour >= fromUnixTimestamp(intDiv({from:Int64}, 1000)) AND s.hour < fromUnixTimestamp(intDiv({to:Int64}, 1000))
GROUP BY at_s, tier
ORDER BY at_s, tier
