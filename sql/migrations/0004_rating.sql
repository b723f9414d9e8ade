-- Prices computed again. The price that the meter gave a call is never rewritten: a rating writes what it would add to
-- it (or take from it) into `adjustments`, one row a call, and counts from the moment its row is in `ratings`. Money is
-- read from `spend_by_hour` and `rated_calls`, which add the two up.

ALTER TABLE intake
    ADD COLUMN IF NOT EXISTS price_from LowCardinality(String) COMMENT 'since when that entry holds, as the book or file dates it; empty when it does not' AFTER price_ref;

-- One row for each rating that is complete. A rating whose row is missing (it failed half way) counts for nothing.
CREATE TABLE IF NOT EXISTS ratings
(
    number        UInt64 COMMENT 'of the rating it started from, plus one',
    id            String,
    by            String COMMENT 'who ordered it',
    reason        String,
    started_at    DateTime64(3, 'UTC'),
    finished_at   DateTime64(3, 'UTC'),
    first         DateTime64(3, 'UTC') COMMENT 'calls from this event time',
    end           DateTime64(3, 'UTC') COMMENT 'to before this one',
    models        Array(String) COMMENT 'of these requested models; empty: of all',
    book          String COMMENT 'name and version of the price book',
    overrides     String COMMENT 'name and digest of the file of own prices; empty: none',
    calls         UInt64 COMMENT 'looked at',
    changed       UInt64 COMMENT 'rows of adjustments it wrote',
    newly_priced  UInt64,
    unpriced      UInt64 COMMENT 'calls whose price it took away',
    sum_usd       Decimal(38, 12) COMMENT 'of its adjustments'
)
ENGINE = MergeTree
ORDER BY number
SETTINGS non_replicated_deduplication_window = 1000;

CREATE TABLE IF NOT EXISTS adjustments
(
    rating_id       LowCardinality(String),
    -- the call, by its place in the log
    incarnation     UInt32,
    partition       UInt32,
    offset          UInt64 CODEC(Delta, ZSTD),
    item            UInt32,
    ingested_at     DateTime64(3, 'UTC') COMMENT 'of the call: both are kept equally long',
    -- what readers group by, copied from the call
    id              String,
    time            DateTime64(3, 'UTC') CODEC(Delta, ZSTD),
    hour            DateTime('UTC') MATERIALIZED toStartOfHour(time),
    tenant_id       LowCardinality(String),
    team_id         LowCardinality(String),
    agent_id        String,
    run_id          String,
    provider_name   LowCardinality(String),
    request_model   LowCardinality(String),
    tier            LowCardinality(String),
    task_class      LowCardinality(String),
    api_key_id      LowCardinality(String),
    plan_id         LowCardinality(String),
    -- what the rating found
    cost_before_usd Nullable(Decimal(18, 12)) COMMENT 'as rated until then; NULL: it had no price',
    cost_after_usd  Nullable(Decimal(18, 12)) COMMENT 'NULL: it has no price any more',
    adjustment_usd  Decimal(18, 12) COMMENT 'after less before, an absent price counting as 0',
    priced_change   Int8 COMMENT '1: got a price, -1: lost it, 0: had one and has one',
    price_status    LowCardinality(String),
    price_source    LowCardinality(String),
    price_ref       LowCardinality(String),
    price_from      LowCardinality(String),

    PROJECTION by_hour
    (
        SELECT
            hour, rating_id, tenant_id, team_id, tier, provider_name, request_model,
            count(), sum(adjustment_usd), sum(priced_change)
        GROUP BY hour, rating_id, tenant_id, team_id, tier, provider_name, request_model
    )
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(ingested_at)
ORDER BY (agent_id, time)
SETTINGS non_replicated_deduplication_window = 10000;

-- Two ratings that ran at the same time have the same number: the first of them counts, the other finds out and says so.
CREATE OR REPLACE VIEW settled_ratings AS
SELECT argMin(r.id, (r.finished_at, r.id)) AS rating_id, r.number AS number
FROM ratings AS r
GROUP BY r.number;

CREATE OR REPLACE VIEW settled_adjustments AS
SELECT
    rating_id, incarnation, partition, offset, item, ingested_at, id, time, hour, tenant_id, team_id, agent_id, run_id,
    provider_name, request_model, tier, task_class, api_key_id, plan_id, cost_before_usd, cost_after_usd,
    adjustment_usd, priced_change, price_status, price_source, price_ref, price_from
FROM adjustments
WHERE rating_id IN (SELECT rating_id FROM settled_ratings);

CREATE OR REPLACE VIEW calls AS
SELECT
    id, source, time, tenant_id, team_id, agent_id, agent_name, parent_agent_id, run_id, parent_call_id,
    conversation_id, operation_name, provider_name, request_model, response_model, tier, task_class, escalated_from,
    route_reason, policy_id, decision, input_tokens, output_tokens, cache_read_input_tokens, cache_write_input_tokens,
    reasoning_output_tokens, attempt, retry_of, status, error_type, http_status, latency_ms, time_to_first_token_ms,
    request_fingerprint, response_fingerprint, tool_name, api_key_id, plan_id, reported_cost, tags,
    cost_usd, price_status, price_source, price_ref, price_from,
    hour, arrived_at, ingested_at, incarnation, partition, offset, item
FROM intake
WHERE outcome = 'call';

-- Every call with its price as metered (cost_usd, price_*) and as it is rated now (rated_*).
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
        hour, incarnation, partition, offset, item,
        sum(s.adjustment_usd) AS adjustment_usd,
        sum(s.priced_change) AS priced_change,
        argMax(s.rating_id, r.number) AS rating_id,
        argMax(s.price_status, r.number) AS price_status,
        argMax(s.price_source, r.number) AS price_source,
        argMax(s.price_ref, r.number) AS price_ref,
        argMax(s.price_from, r.number) AS price_from
    FROM adjustments AS s
    INNER JOIN settled_ratings AS r ON r.rating_id = s.rating_id
    GROUP BY hour, incarnation, partition, offset, item
) AS a ON a.hour = c.hour AND a.incarnation = c.incarnation AND a.partition = c.partition AND a.offset = c.offset AND a.item = c.item;

-- Filter on `hour`: it reaches both halves, and both are read from a projection.
CREATE OR REPLACE VIEW spend_by_hour AS
SELECT
    hour, tenant_id, team_id, tier, provider_name, request_model,
    sum(u.calls) AS calls,
    sum(u.input_tokens) AS input_tokens,
    sum(u.output_tokens) AS output_tokens,
    sum(u.cache_read_input_tokens) AS cache_read_input_tokens,
    sum(u.cache_write_input_tokens) AS cache_write_input_tokens,
    sum(u.reasoning_output_tokens) AS reasoning_output_tokens,
    if(sum(u.calls) = sum(u.unpriced), NULL, sum(u.cost_usd)) AS cost_usd,
    sum(u.unpriced) AS unpriced,
    sum(u.errors) AS errors
FROM
(
    SELECT
        hour, tenant_id, team_id, tier, provider_name, request_model,
        count() AS calls,
        sum(i.input_tokens) AS input_tokens,
        sum(i.output_tokens) AS output_tokens,
        sum(i.cache_read_input_tokens) AS cache_read_input_tokens,
        sum(i.cache_write_input_tokens) AS cache_write_input_tokens,
        sum(i.reasoning_output_tokens) AS reasoning_output_tokens,
        sum(i.cost_usd) AS cost_usd,
        toInt64(count() - count(i.cost_usd)) AS unpriced,
        countIf(i.status != 'ok') AS errors
    FROM intake AS i
    WHERE i.outcome = 'call'
    GROUP BY hour, tenant_id, team_id, tier, provider_name, request_model
    UNION ALL
    SELECT
        hour, tenant_id, team_id, tier, provider_name, request_model, 0, 0, 0, 0, 0, 0,
        toNullable(sum(a.adjustment_usd)), -sum(a.priced_change), 0
    FROM adjustments AS a
    WHERE a.rating_id IN (SELECT rating_id FROM settled_ratings)
    GROUP BY hour, tenant_id, team_id, tier, provider_name, request_model
) AS u
GROUP BY hour, tenant_id, team_id, tier, provider_name, request_model;
