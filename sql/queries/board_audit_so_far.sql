-- What the run had cost by when; without a run, everything in the time range.
-- Columns: at (time), so_far (USD).
-- Order: at
-- Reads: agents
SELECT b.at AS at, toFloat64(sum(b.cost) OVER (ORDER BY b.at ASC)) AS so_far
FROM
(
    SELECT $__timeInterval(time) AS at, sum(rated_cost_usd) AS cost FROM rated_calls
    WHERE @hours AND $__timeFilter_ms(time) AND @filter(team, agent, run)
    GROUP BY at
) AS b
ORDER BY at
