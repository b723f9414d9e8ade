-- Rated spend and calls in the event time [{from}, {to}) (epoch ms) in steps of {step} seconds, by tier.
-- {ingested}: no call of the range was written before it (epoch ms), so that older parts are not read.
-- Columns: at_s (begin of the step, epoch seconds), tier, calls, cost_usd.
SELECT
    toUnixTimestamp(toStartOfInterval(c.time, toIntervalSecond({step:UInt32}))) AS at_s,
    c.tier AS tier,
    count() AS calls,
    ifNull(sum(c.rated_cost_usd), 0) AS cost_usd
FROM rated_calls AS c
WHERE c.time >= fromUnixTimestamp64Milli({from:Int64}, 'UTC') AND c.time < fromUnixTimestamp64Milli({to:Int64}, 'UTC')
    AND c.ingested_at >= fromUnixTimestamp64Milli({ingested:Int64}, 'UTC')
GROUP BY at_s, tier
ORDER BY at_s, tier
