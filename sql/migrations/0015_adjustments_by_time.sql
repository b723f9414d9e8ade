-- Adjustments by time. What is asked of some hours, or of one agent, reads the adjustments of these and not all there are.

-- The table is sorted by agent; this is the order of hours, with what rated_calls and the budgets of agents,
-- keys and runs need.
ALTER TABLE adjustments ADD PROJECTION IF NOT EXISTS by_time
(
    SELECT
        hour, time, incarnation, partition, offset, item, rating_id, tenant_id, team_id, agent_id, run_id, request_model,
        tier, api_key_id, adjustment_usd, priced_change, price_status, price_source, price_ref, price_from
    ORDER BY hour, agent_id
);

-- In the background, for the adjustments that are there: until it is done, older parts are read row by row.
ALTER TABLE adjustments MATERIALIZE PROJECTION by_time SETTINGS mutations_sync = 0;

-- Every call with its price as metered (cost_usd, price_*) and as it is rated now (rated_*). An adjustment has its call's
-- hour and agent: joined by both, what a reader asks of one half holds for the other, too. Filter on `hour`, not on `time` alone.
CREATE OR REPLACE VIEW rated_calls AS
SELECT
    c.id, c.source, c.time, c.tenant_id, c.team_id, c.agent_id, c.agent_name, c.parent_agent_id, c.run_id,
    c.parent_call_id, c.conversation_id, c.operation_name, c.provider_name, c.request_model, c.response_model, c.tier,
    c.task_class, c.escalated_from, c.route_reason, c.policy_id, c.decision, c.input_tokens, c.output_tokens,
    c.cache_read_input_tokens, c.cache_write_input_tokens, c.reasoning_output_tokens, c.attempt, c.retry_of, c.status,
    c.error_type, c.http_status, c.latency_ms, c.time_to_first_token_ms, c.request_fingerprint, c.response_fingerprint,
    c.tool_name, c.api_key_id, c.plan_id, c.reported_cost, c.tags,
    c.cost_usd, c.price_status, c.price_source, c.price_ref, c.price_from,
    c.hour, c.arrived_at, c.ingested_at, c.incarnation, c.partition, c.offset, c.item,
    -- ifNull: a reader may have set join_use_nulls
    ifNull(a.adjustment_usd, 0) AS adjustment_usd,
    if(
        isNotNull(c.cost_usd) + ifNull(a.priced_change, 0) > 0,
        CAST(ifNull(c.cost_usd, 0) + ifNull(a.adjustment_usd, 0), 'Nullable(Decimal(18, 12))'),
        NULL
    ) AS rated_cost_usd,
    ifNull(a.rating_id, '') AS rating_id,
    if(rating_id = '', c.price_status, ifNull(a.price_status, '')) AS rated_price_status,
    if(rating_id = '', c.price_source, ifNull(a.price_source, '')) AS rated_price_source,
    if(rating_id = '', c.price_ref, ifNull(a.price_ref, '')) AS rated_price_ref,
    if(rating_id = '', c.price_from, ifNull(a.price_from, '')) AS rated_price_from
FROM calls AS c
LEFT JOIN
(
    SELECT
        hour, agent_id, incarnation, partition, offset, item,
        sum(s.adjustment_usd) AS adjustment_usd,
        sum(s.priced_change) AS priced_change,
        argMax(s.rating_id, r.number) AS rating_id,
        argMax(s.price_status, r.number) AS price_status,
        argMax(s.price_source, r.number) AS price_source,
        argMax(s.price_ref, r.number) AS price_ref,
        argMax(s.price_from, r.number) AS price_from
    FROM adjustments AS s
    INNER JOIN settled_ratings AS r ON r.rating_id = s.rating_id
    GROUP BY hour, agent_id, incarnation, partition, offset, item
) AS a ON a.hour = c.hour AND a.agent_id = c.agent_id AND a.incarnation = c.incarnation AND a.partition = c.partition AND a.offset = c.offset AND a.item = c.item;
