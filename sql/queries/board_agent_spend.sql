-- Spend over time of the eight agents that cost most in the time range; the others as one.
-- Columns: at (time), agent (label), spend (USD).
-- Order: at, agent
-- Reads: agents
SELECT r.at AS at, if(r.place <= 8, r.agent_id, 'other agents') AS agent, toFloat64(sum(r.cost)) AS spend
FROM
(
    -- ranked by a window, not by a second reading: what is read is the ledger
    SELECT t.at AS at, t.agent_id AS agent_id, t.cost AS cost, dense_rank() OVER (ORDER BY t.total DESC NULLS LAST, t.agent_id) AS place
    FROM
    (
        SELECT b.agent_id AS agent_id, b.at AS at, b.cost AS cost, sum(b.cost) OVER (PARTITION BY b.agent_id) AS total
        FROM
        (
            SELECT agent_id, $__timeInterval(time) AS at, sum(rated_cost_usd) AS cost FROM rated_calls
            WHERE @hours AND $__timeFilter_ms(time) AND @filter(team, tier, model, agent)
            GROUP BY agent_id, at
        ) AS b
    ) AS t
) AS r
GROUP BY at, agent
ORDER BY at, agent
