-- Single calls of one task class, one tier and some agents in [first, end) (epoch ms), to be priced elsewhere; not those
-- that were sent up to this tier.
-- Task class as in savings_mix.
-- Columns: time_ms, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, priced, cost_usd.
WITH told AS
(
    SELECT w.run_id AS run_id, max(indexOf(['routine', 'standard', 'complex'], w.told_class)) AS class_rank
    FROM
    (
        SELECT
            o.run_id AS run_id,
            argMax(o.task_class, (o.time, o.arrived_at, o.partition, o.offset, o.item)) AS told_class
        FROM outcomes AS o
        WHERE {evaluator:String} = '' OR o.evaluator = {evaluator:String}
        GROUP BY o.run_id, o.agent_id, o.evaluator
    ) AS w
    GROUP BY run_id
)
SELECT
    toUnixTimestamp64Milli(c.time) AS time_ms, c.input_tokens AS input_tokens, c.output_tokens AS output_tokens,
    c.cache_read_input_tokens AS cache_read_tokens, c.cache_write_input_tokens AS cache_write_tokens,
    isNotNull(c.rated_cost_usd) AS priced, ifNull(c.rated_cost_usd, 0) AS cost_usd
FROM rated_calls AS c
LEFT JOIN told AS t ON t.run_id = c.run_id
WHERE c.hour >= toDateTime(intDiv({first:Int64}, 3600000) * 3600, 'UTC') AND c.hour <= toDateTime(intDiv({end:Int64}, 1000), 'UTC')
    AND c.time >= fromUnixTimestamp64Milli({first:Int64}) AND c.time < fromUnixTimestamp64Milli({end:Int64})
    AND c.escalated_from = '' AND c.decision != 'escalate'
    AND c.tier = {tier:String} AND c.agent_id IN {agents:Array(String)}
    AND if(t.class_rank > 0, ['routine', 'standard', 'complex'][t.class_rank], c.task_class) = {task_class:String}
