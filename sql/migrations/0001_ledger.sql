-- The ledger. One row of `intake` for every call of every record that was consumed: the call, the duplicate, the
-- reject with its reason, the call that was moved to its own partition, the gap where the log held nothing.
-- One table, because two tables are never written atomically together; users read the views of it.
--
-- Absent strings are '' and absent counts are 0 (the contract allows neither as a value, except for token counts,
-- where absent and 0 mean the same). What may be absent and may be 0 is Nullable.

CREATE TABLE IF NOT EXISTS intake
(
    -- where the call stands in the log: unique together with `item`, the call's place in its record
    incarnation                 UInt32 COMMENT 'which life of the topic: a topic that was made again counts offsets from 0 again',
    partition                   UInt32,
    offset                      UInt64 CODEC(Delta, ZSTD),
    item                        UInt32 COMMENT 'place of the call in its record, from 0',
    through                     UInt64 DEFAULT offset CODEC(Delta, ZSTD) COMMENT 'the last offset the row speaks for; differs from offset for gaps only',
    epoch                       UInt64 COMMENT 'which owner of the partition wrote the row',
    outcome                     Enum8('call' = 1, 'duplicate' = 2, 'reject' = 3, 'moved' = 4, 'gap' = 5),
    arrived_at                  DateTime64(3, 'UTC') COMMENT 'timestamp of the Kafka record',
    ingested_at                 DateTime64(3, 'UTC') COMMENT 'when the worker wrote it; one value an insert',

    -- the call as its router told it: the fields of the contract `call` v1
    id                          String,
    source                      LowCardinality(String),
    time                        DateTime64(3, 'UTC') CODEC(Delta, ZSTD),
    hour                        DateTime('UTC') MATERIALIZED toStartOfHour(time),
    tenant_id                   LowCardinality(String),
    team_id                     LowCardinality(String),
    agent_id                    String,
    agent_name                  LowCardinality(String),
    parent_agent_id             String,
    run_id                      String,
    parent_call_id              String,
    conversation_id             String,
    operation_name              LowCardinality(String),
    provider_name               LowCardinality(String),
    request_model               LowCardinality(String),
    response_model              LowCardinality(String),
    tier                        LowCardinality(String) COMMENT 'as the router told it, else by the tier map; unknown when neither says',
    task_class                  LowCardinality(String),
    escalated_from              LowCardinality(String),
    route_reason                LowCardinality(String),
    policy_id                   LowCardinality(String),
    decision                    LowCardinality(String),
    input_tokens                UInt64 CODEC(T64, ZSTD) COMMENT 'includes cached',
    output_tokens               UInt64 CODEC(T64, ZSTD) COMMENT 'includes reasoning',
    cache_read_input_tokens     UInt64 CODEC(T64, ZSTD),
    cache_write_input_tokens    UInt64 CODEC(T64, ZSTD),
    reasoning_output_tokens     UInt64 CODEC(T64, ZSTD),
    attempt                     UInt32,
    retry_of                    String,
    status                      LowCardinality(String),
    error_type                  LowCardinality(String),
    http_status                 UInt16,
    latency_ms                  Nullable(Float64),
    time_to_first_token_ms      Nullable(Float64),
    request_fingerprint         String,
    response_fingerprint        String,
    tool_name                   LowCardinality(String),
    api_key_id                  LowCardinality(String),
    plan_id                     LowCardinality(String),
    reported_cost               Nullable(Decimal(18, 12)) COMMENT 'USD, as the router told it',
    tags                        Map(LowCardinality(String), String),

    -- what the meter found out
    identity                    UInt64 COMMENT 'hash of (source, id): finds a call again without knowing its agent',
    cost_usd                    Nullable(Decimal(18, 12)) COMMENT 'USD, computed; NULL when unpriced: unpriced is not zero',
    price_status                LowCardinality(String) COMMENT 'priced, or why not',
    price_source                LowCardinality(String) COMMENT 'the book or file that gave the price, with its version',
    price_ref                   LowCardinality(String) COMMENT 'the entry of it: provider/model',

    -- rejects and gaps
    reason                      LowCardinality(String) COMMENT 'stable code; see schemas/README.md',
    detail                      String,
    payload                     String COMMENT 'what was refused, without anything the contract does not name',

    INDEX runs run_id TYPE bloom_filter(0.01) GRANULARITY 4,
    INDEX offsets offset TYPE minmax GRANULARITY 1,
    INDEX times time TYPE minmax GRANULARITY 1,

    PROJECTION by_identity
    (
        SELECT hour, identity, outcome, source, id
        ORDER BY hour, identity
    ),
    PROJECTION by_hour
    (
        SELECT
            hour, outcome, tenant_id, team_id, tier, provider_name, request_model,
            count(),
            sum(input_tokens), sum(output_tokens), sum(cache_read_input_tokens), sum(cache_write_input_tokens), sum(reasoning_output_tokens),
            sum(cost_usd), count(cost_usd), countIf(status != 'ok')
        GROUP BY hour, outcome, tenant_id, team_id, tier, provider_name, request_model
    ),
    PROJECTION by_position
    (
        SELECT
            partition, incarnation,
            max(through), argMax((item, id, arrived_at, outcome), (through, item)), maxIf(time, outcome = 'call'), count()
        GROUP BY partition, incarnation
    )
)
ENGINE = MergeTree
-- By ingestion month, so that one insert is one block of one partition: an insert that spreads over several can be
-- written in part, and max(offset) would then skip the rest for good.
PARTITION BY toYYYYMM(ingested_at)
ORDER BY (agent_id, time)
SETTINGS
    -- how many inserts back a repeated insert is recognised by its token
    non_replicated_deduplication_window = 10000,
    lightweight_mutation_projection_mode = 'rebuild',
    -- Merge twenty parts at a time, not five (the engine's default): each row is rewritten half as often, and what a
    -- call costs does not grow with the ledger (docs/benchmark.md, growth). A billion rows are then some ninety parts.
    merge_selector_base = 20;

-- Who owns a partition since when. The highest epoch of a partition may write, no other (the insert itself asks).
CREATE TABLE IF NOT EXISTS epochs
(
    partition     UInt32,
    epoch         UInt64,
    event         Enum8('fence' = 1, 'start' = 2) COMMENT 'fence: from now on only this epoch writes; start: where it went on reading',
    incarnation   UInt32,
    start_offset  UInt64,
    worker        String,
    at            DateTime64(3, 'UTC') DEFAULT now64(3),
    note          String COMMENT 'why a new incarnation began, where one did'
)
ENGINE = MergeTree
ORDER BY (partition, epoch);

CREATE OR REPLACE VIEW calls AS
SELECT
    id, source, time, tenant_id, team_id, agent_id, agent_name, parent_agent_id, run_id, parent_call_id,
    conversation_id, operation_name, provider_name, request_model, response_model, tier, task_class, escalated_from,
    route_reason, policy_id, decision, input_tokens, output_tokens, cache_read_input_tokens, cache_write_input_tokens,
    reasoning_output_tokens, attempt, retry_of, status, error_type, http_status, latency_ms, time_to_first_token_ms,
    request_fingerprint, response_fingerprint, tool_name, api_key_id, plan_id, reported_cost, tags,
    cost_usd, price_status, price_source, price_ref,
    hour, arrived_at, ingested_at, incarnation, partition, offset, item
FROM intake
WHERE outcome = 'call';

CREATE OR REPLACE VIEW rejects AS
SELECT reason, detail, payload, arrived_at, ingested_at, incarnation, partition, offset, item
FROM intake
WHERE outcome = 'reject';

CREATE OR REPLACE VIEW duplicates AS
SELECT id, source, time, agent_id, run_id, arrived_at, ingested_at, incarnation, partition, offset, item
FROM intake
WHERE outcome = 'duplicate';

CREATE OR REPLACE VIEW spend_by_hour AS
SELECT
    hour, tenant_id, team_id, tier, provider_name, request_model,
    count() AS calls,
    sum(i.input_tokens) AS input_tokens,
    sum(i.output_tokens) AS output_tokens,
    sum(i.cache_read_input_tokens) AS cache_read_input_tokens,
    sum(i.cache_write_input_tokens) AS cache_write_input_tokens,
    sum(i.reasoning_output_tokens) AS reasoning_output_tokens,
    sum(i.cost_usd) AS cost_usd,
    count() - count(i.cost_usd) AS unpriced,
    countIf(i.status != 'ok') AS errors
FROM intake AS i
WHERE i.outcome = 'call'
GROUP BY hour, tenant_id, team_id, tier, provider_name, request_model;
