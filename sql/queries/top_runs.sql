-- Spend of runs given by name ({runs}) in the event time [{from}, {to}) (epoch ms).
-- Columns: run_id, calls, cost_usd, agents.
SELECT run_id, count() AS calls, ifNull(sum(c.rated_cost_usd), 0) AS cost_usd, uniq(agent_id) AS agents
FROM rated_calls AS c
WHERE run_id IN {runs:Array(String)}
    AND c.time >= fromUnixTimestamp64Milli({from:Int64}, 'UTC') AND c.time < fromUnixTimestamp64Milli({to:Int64}, 'UTC')
GROUP BY run_id
