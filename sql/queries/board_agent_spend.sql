-- Spend over time of the eight agents that cost most in the time range; the others as one.
-- Columns: at (time), agent (label), spend (USD).
-- Order: at, agent
-- Reads: agents
WITH b AS
(
    SELECT agent_id, $__timeInterval(time) AS at, sum(rated_cost_usd) AS cost FROM rated_calls
    WHERE @hours AND $__timeFilter_ms(time) AND @filter(team, tier, model, agent)
    GROUP BY agent_id, at
)
SELECT b.at AS at, if(t.agent_id = '', 'other agents', t.agent_id) AS agent, toFloat64(sum(b.cost)) AS spend
FROM b
LEFT JOIN (SELECT agent_id FROM b GROUP BY agent_id ORDER BY sum(cost) DESC NULLS LAST, agent_id LIMIT 8) AS t USING (agent_id)
GROUP BY at, agent
ORDER BY at, agent
