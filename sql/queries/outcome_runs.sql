-- Every judged run that began in [first, end) (epoch ms), as it was routed at first and as it ended.
-- A run's verdict: of each evaluator the latest counts; several evaluators must all say success; verdicts on single
-- agents count only where nobody judged the run as a whole. evaluator '': all of them.
-- Tier and model are those of the run's first call; a first call that came up from another tier began there.
-- Columns: run_id, began_ms, ended_ms, tier, provider, model, agent, team, task_class, success, evaluators, tiers,
-- models, calls, escalated, retries, input_tokens, cache_read_tokens, output_tokens, cost_usd, unpriced.
WITH
    -- runs are followed for a week to both sides in whole hours, so that one across an edge is seen whole
    fromUnixTimestamp(greatest(intDiv({first:Int64}, 3600000) * 3600 - 604800, 0)) AS follow_from,
    fromUnixTimestamp(least(intDiv({end:Int64} + 3599999, 3600000) * 3600 + 604800, 4294967295)) AS follow_to,
    last_words AS
    (
        SELECT o.run_id AS run_id, o.agent_id AS agent_id, o.evaluator AS evaluator, o.outcome = 'success' AS good, o.task_class AS told_class
        FROM outcomes AS o
        WHERE ({evaluator:String} = '' OR o.evaluator = {evaluator:String})
            AND o.run_id IN
            (
                SELECT s.run_id FROM intake AS s
                WHERE s.outcome = 'call' AND s.run_id != '' AND s.hour >= fromUnixTimestamp(intDiv({first:Int64}, 3600000) * 3600)
                    AND s.hour < fromUnixTimestamp(intDiv({end:Int64} + 3599999, 3600000) * 3600)
                GROUP BY s.run_id
            )
        ORDER BY o.time DESC, o.arrived_at DESC, o.partition DESC, o.offset DESC, o.item DESC
        LIMIT 1 BY run_id, agent_id, evaluator
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
    r.cache_read_tokens AS cache_read_tokens, r.output_tokens AS output_tokens,
    r.cost_usd + ifNull(a.adjustment_usd, 0) AS cost_usd, r.unpriced - ifNull(a.priced_change, 0) AS unpriced
FROM
(
    SELECT
        c.run_id AS run_id,
        toUnixTimestamp64Milli(min(c.time)) AS began_ms,
        toUnixTimestamp64Milli(max(c.time)) AS ended_ms,
        argMinIf(
            (if(c.escalated_from != '', c.escalated_from, c.tier), c.provider_name, c.request_model, c.agent_id, c.team_id),
            (c.time, c.source, c.id), c.outcome = 'call'
        ) AS began,
        max(indexOf(['routine', 'standard', 'complex'], c.task_class)) AS class_rank,
        uniqExact(c.tier) AS tiers,
        uniqExact(c.request_model) AS models,
        count() AS calls,
        countIf(c.escalated_from != '' OR c.decision = 'escalate') AS escalated,
        countIf(c.attempt > 1 OR c.retry_of > '') AS retries,
        sum(c.input_tokens) AS input_tokens,
        sum(c.cache_read_input_tokens) AS cache_read_tokens,
        sum(c.output_tokens) AS output_tokens,
        ifNull(sum(c.cost_usd), 0) AS cost_usd,
        -- ignore (it is 0): without its sum beside it, count(cost_usd) is answered from the NULL map, by a scan
        toInt64(count() - count(c.cost_usd) + ignore(sum(c.cost_usd))) AS unpriced
    FROM intake AS c
    WHERE c.outcome = 'call' AND c.run_id != '' AND c.hour >= follow_from AND c.hour < follow_to
        AND c.run_id IN (SELECT h.run_id FROM outcome_intake AS h WHERE h.kind = 'outcome')
    GROUP BY c.run_id
    HAVING began_ms >= {first:Int64} AND began_ms < {end:Int64}
) AS r
INNER JOIN verdicts AS v ON v.run_id = r.run_id
LEFT JOIN
(
    SELECT s.run_id AS run_id, sum(s.adjustment_usd) AS adjustment_usd, sum(s.priced_change) AS priced_change
    FROM settled_adjustments AS s
    WHERE s.run_id != '' AND s.hour >= follow_from AND s.hour < follow_to
    GROUP BY s.run_id
) AS a ON a.run_id = r.run_id
ORDER BY began_ms, run_id
