-- Every judged run that began in [first, end) (epoch ms), as it was routed at first and as it ended.
-- A run's verdict: of each evaluator the latest counts; several evaluators must all say success; verdicts on single
-- agents count only where nobody judged the run as a whole. evaluator '': all of them.
-- Tier and model are those of the run's first call; a first call that came up from another tier began there.
-- Columns: run_id, began_ms, ended_ms, tier, provider, model, agent, team, task_class, success, evaluators, tiers,
-- models, calls, escalated, retries, input_tokens, cache_read_tokens, output_tokens, cost_usd, unpriced.
WITH
    last_words AS
    (
        SELECT
            o.run_id AS run_id, o.agent_id AS agent_id, o.evaluator AS evaluator,
            argMax(o.outcome = 'success', (o.time, o.arrived_at, o.partition, o.offset, o.item)) AS good,
            argMax(o.task_class, (o.time, o.arrived_at, o.partition, o.offset, o.item)) AS told_class
        FROM outcomes AS o
        WHERE {evaluator:String} = '' OR o.evaluator = {evaluator:String}
        GROUP BY run_id, agent_id, evaluator
    ),
    verdicts AS
    (
        SELECT
            run_id,
            if(countIf(agent_id = '') > 0, minIf(good, agent_id = ''), min(good)) AS success,
            max(indexOf(['routine', 'standard', 'complex'], told_class)) AS class_rank,
            uniqExact(evaluator) AS evaluators
        FROM last_words
        GROUP BY run_id
    )
SELECT
    r.run_id AS run_id, r.began_ms AS began_ms, r.ended_ms AS ended_ms,
    r.began.1 AS tier, r.began.2 AS provider, r.began.3 AS model, r.began.4 AS agent, r.began.5 AS team,
    ['', 'routine', 'standard', 'complex'][if(v.class_rank > 0, v.class_rank, r.class_rank) + 1] AS task_class,
    v.success AS success, v.evaluators AS evaluators, r.tiers AS tiers, r.models AS models, r.calls AS calls,
    r.escalated AS escalated, r.retries AS retries, r.input_tokens AS input_tokens,
    r.cache_read_tokens AS cache_read_tokens, r.output_tokens AS output_tokens, r.cost_usd AS cost_usd,
    r.unpriced AS unpriced
FROM
(
    SELECT
        c.run_id AS run_id,
        toUnixTimestamp64Milli(min(c.time)) AS began_ms,
        toUnixTimestamp64Milli(max(c.time)) AS ended_ms,
        argMin(
            (if(c.escalated_from != '', c.escalated_from, c.tier), c.provider_name, c.request_model, c.agent_id, c.team_id),
            (c.time, c.source, c.id)
        ) AS began,
        max(indexOf(['routine', 'standard', 'complex'], c.task_class)) AS class_rank,
        uniqExact(c.tier) AS tiers,
        uniqExact(c.request_model) AS models,
        count() AS calls,
        countIf(c.escalated_from != '' OR c.decision = 'escalate') AS escalated,
        countIf(c.attempt > 1 OR c.retry_of != '') AS retries,
        sum(c.input_tokens) AS input_tokens,
        sum(c.cache_read_input_tokens) AS cache_read_tokens,
        sum(c.output_tokens) AS output_tokens,
        ifNull(sum(c.rated_cost_usd), 0) AS cost_usd,
        count() - count(c.rated_cost_usd) AS unpriced
    FROM rated_calls AS c
    WHERE c.run_id != '' AND c.run_id IN (SELECT run_id FROM verdicts)
        -- runs are followed for a week to both sides, so that one across an edge is seen whole
        AND c.time >= fromUnixTimestamp64Milli({first:Int64} - 604800000)
        AND c.time < fromUnixTimestamp64Milli({end:Int64} + 604800000)
    GROUP BY c.run_id
    HAVING began_ms >= {first:Int64} AND began_ms < {end:Int64}
) AS r
INNER JOIN verdicts AS v ON v.run_id = r.run_id
ORDER BY began_ms, run_id
