-- Verdicts on runs. One row of `outcome_intake` for every verdict of every record that was consumed, and for every part
-- of one that was refused. Writing a record twice changes nothing: readers use the views, which know a copy.

CREATE TABLE IF NOT EXISTS outcome_intake
(
    -- where the verdict stands in the log: unique together with `item`, its place in the record
    incarnation   UInt32 COMMENT 'which life of the topic',
    partition     UInt32,
    offset        UInt64 CODEC(Delta, ZSTD),
    item          UInt32,
    kind          LowCardinality(String) COMMENT 'outcome or reject',
    arrived_at    DateTime64(3, 'UTC') COMMENT 'timestamp of the Kafka record',
    ingested_at   DateTime64(3, 'UTC'),

    -- the fields of the contract `outcome` v1
    run_id        String,
    outcome       LowCardinality(String) COMMENT 'success or failure',
    id            String,
    time          DateTime64(3, 'UTC') COMMENT 'as told, else arrived_at',
    time_told     Bool,
    agent_id      String COMMENT 'empty: the whole run is judged',
    score         Nullable(Float64),
    evaluator     LowCardinality(String),
    task_class    LowCardinality(String),

    -- of a reject
    reason        LowCardinality(String) COMMENT 'stable code; see schemas/README.md',
    detail        String,
    payload       String,

    PROJECTION by_position
    (
        SELECT partition, incarnation, max(offset), argMax(arrived_at, offset), count()
        GROUP BY partition, incarnation
    )
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(ingested_at)
ORDER BY (run_id, offset)
SETTINGS non_replicated_deduplication_window = 10000, lightweight_mutation_projection_mode = 'rebuild';

-- Each verdict once. The same one is the same (run, id); without an id the same run, agent, evaluator and told time.
-- Told again with another outcome it replaces what was told before: the one that arrived last counts.
CREATE OR REPLACE VIEW outcomes AS
SELECT
    run_id, outcome, id, time, time_told, agent_id, score, evaluator, task_class,
    arrived_at, ingested_at, incarnation, partition, offset, item
FROM outcome_intake
WHERE kind = 'outcome'
ORDER BY arrived_at DESC, incarnation DESC, partition DESC, offset DESC, item DESC
LIMIT 1 BY
    run_id, id, if(id = '', agent_id, ''), if(id = '', evaluator, ''),
    if(id = '' AND time_told, toUnixTimestamp64Milli(time), 0);

CREATE OR REPLACE VIEW outcome_rejects AS
SELECT reason, detail, payload, arrived_at, ingested_at, incarnation, partition, offset, item
FROM outcome_intake
WHERE kind = 'reject'
ORDER BY incarnation, partition, offset, item
LIMIT 1 BY incarnation, partition, offset, item;
