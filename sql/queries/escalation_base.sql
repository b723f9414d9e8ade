-- All calls of each agent in [first, end) (epoch ms): what escalations are a share of.
-- Columns: agent_id, calls, cost_usd.
SELECT c.agent_id AS agent, count() AS calls, ifNull(sum(c.rated_cost_usd), 0) AS cost_usd
FROM rated_calls AS c
WHERE c.time >= fromUnixTimestamp64Milli({first:Int64}) AND c.time < fromUnixTimestamp64Milli({end:Int64})
GROUP BY agent
ORDER BY agent
