-- What verdicts say of each agent, over runs that began in [first, end) (epoch ms).
-- A verdict on the agent itself outweighs the one on its run; else the run's counts for every agent that called in it.
-- Cost is that of the agent's own calls in these runs. evaluator '': all of them.
-- Columns: agent_id, runs, successes, calls, cost_usd, unpriced.
WITH
    last_words AS
    (
        SELECT
            o.run_id AS run_id, o.agent_id AS agent_id, o.evaluator AS evaluator,
            argMax(o.outcome = 'success', (o.time, o.arrived_at, o.partition, o.offset, o.item)) AS good
        FROM outcomes AS o
        WHERE {evaluator:String} = '' OR o.evaluator = {evaluator:String}
        GROUP BY run_id, agent_id, evaluator
    ),
    on_agents AS (SELECT run_id, agent_id, min(good) AS success, 1 AS told FROM last_words WHERE agent_id != '' GROUP BY run_id, agent_id),
    on_runs AS
    (
        SELECT run_id, if(countIf(agent_id = '') > 0, minIf(good, agent_id = ''), min(good)) AS success, countIf(agent_id = '') AS whole
        FROM last_words
        GROUP BY run_id
    ),
    calls_of AS
    (
        SELECT
            c.run_id AS run_id, c.agent_id AS agent_id, min(c.time) AS began, count() AS calls,
            ifNull(sum(c.rated_cost_usd), 0) AS cost_usd, count() - count(c.rated_cost_usd) AS unpriced
        FROM rated_calls AS c
        WHERE c.run_id != '' AND c.run_id IN (SELECT run_id FROM on_runs)
            AND c.time >= fromUnixTimestamp64Milli({first:Int64} - 604800000)
            AND c.time < fromUnixTimestamp64Milli({end:Int64} + 604800000)
        GROUP BY c.run_id, c.agent_id
    ),
    in_period AS
    (
        SELECT run_id
        FROM calls_of
        GROUP BY run_id
        HAVING toUnixTimestamp64Milli(min(began)) >= {first:Int64} AND toUnixTimestamp64Milli(min(began)) < {end:Int64}
    )
SELECT
    k.agent_id AS agent_id,
    count() AS runs,
    countIf(if(a.told = 1, a.success, r.success) = 1) AS successes,
    sum(k.calls) AS calls,
    sum(k.cost_usd) AS cost_usd,
    sum(k.unpriced) AS unpriced
FROM calls_of AS k
INNER JOIN on_runs AS r ON r.run_id = k.run_id
LEFT JOIN on_agents AS a ON a.run_id = k.run_id AND a.agent_id = k.agent_id
WHERE k.run_id IN (SELECT run_id FROM in_period) AND (a.told = 1 OR r.whole > 0)
GROUP BY agent_id
ORDER BY agent_id
