-- The mix of calls in [first, end) (epoch ms), as finely as savings are estimated.
-- Task class: what an evaluator said of the run, else what the call says. evaluator '': all of them.
-- Columns: task_class, tier, agent_id, provider_name, request_model, escalated (sent up from another tier), calls, retries, input_tokens, cache_read_tokens,
-- output_tokens, cost_usd, unpriced, with_policy, with_owner, with_run.
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
    if(t.class_rank > 0, ['routine', 'standard', 'complex'][t.class_rank], c.task_class) AS class,
    c.tier AS tier, c.agent_id AS agent, c.provider_name AS provider, c.request_model AS model,
    c.escalated_from != '' OR c.decision = 'escalate' AS escalated,
    count() AS calls,
    countIf(c.attempt > 1 OR c.retry_of != '') AS retries,
    sum(c.input_tokens) AS input_tokens,
    sum(c.cache_read_input_tokens) AS cache_read_tokens,
    sum(c.output_tokens) AS output_tokens,
    ifNull(sum(c.rated_cost_usd), 0) AS cost_usd,
    count() - count(c.rated_cost_usd) AS unpriced,
    countIf(c.policy_id != '' AND c.decision != '') AS with_policy,
    countIf(c.team_id != '' OR c.api_key_id != '') AS with_owner,
    countIf(c.run_id != '') AS with_run
FROM rated_calls AS c
LEFT JOIN told AS t ON t.run_id = c.run_id
WHERE c.hour >= toDateTime(intDiv({first:Int64}, 3600000) * 3600, 'UTC') AND c.hour <= toDateTime(intDiv({end:Int64}, 1000), 'UTC')
    AND c.time >= fromUnixTimestamp64Milli({first:Int64}) AND c.time < fromUnixTimestamp64Milli({end:Int64})
GROUP BY class, tier, agent, provider, model, escalated
ORDER BY class, tier, agent, provider, model, escalated
