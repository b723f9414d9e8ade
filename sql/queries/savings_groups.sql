-- The calls of `savings_calls` added up by where the price of a model may change: {edges} (epoch ms), {of_day} (ms after
-- midnight UTC), {above} (input tokens). `counted`: has a price now, and token counts that make sense.
-- Columns: counted, says (any output), calls, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, cost_usd,
-- time_ms and least_input (for the price).
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
    isNotNull(c.rated_cost_usd) AND c.cache_read_input_tokens + c.cache_write_input_tokens <= c.input_tokens
        AND greatest(c.input_tokens, c.output_tokens) <= {most:Int64} AS counted,
    c.output_tokens > 0 AS says,
    count() AS calls,
    sum(c.input_tokens) AS input_tokens, sum(c.output_tokens) AS output_tokens,
    sum(c.cache_read_input_tokens) AS cache_read_tokens, sum(c.cache_write_input_tokens) AS cache_write_tokens,
    ifNull(sum(c.rated_cost_usd), 0) AS cost_usd,
    toUnixTimestamp64Milli(min(c.time)) AS time_ms, min(c.input_tokens) AS least_input
FROM rated_calls AS c
LEFT JOIN told AS t ON t.run_id = c.run_id
WHERE c.hour >= toDateTime(intDiv({first:Int64}, 3600000) * 3600, 'UTC') AND c.hour <= toDateTime(intDiv({end:Int64}, 1000), 'UTC')
    AND c.time >= fromUnixTimestamp64Milli({first:Int64}) AND c.time < fromUnixTimestamp64Milli({end:Int64})
    AND c.escalated_from = '' AND c.decision != 'escalate'
    AND c.tier = {tier:String} AND c.agent_id IN {agents:Array(String)}
    AND if(t.class_rank > 0, ['routine', 'standard', 'complex'][t.class_rank], c.task_class) = {task_class:String}
GROUP BY
    counted, says,
    arrayCount(edge -> toUnixTimestamp64Milli(c.time) >= edge, {edges:Array(Int64)}),
    arrayCount(edge -> toUnixTimestamp64Milli(c.time) % 86400000 >= edge, {of_day:Array(Int64)}),
    arrayCount(mark -> c.input_tokens > mark, {above:Array(Int64)})
