-- Figures of quality and savings as they were known at the end of each day, for boards: they need more than SQL to work
-- out. Written by a duty, once a day; the rows of one estimate share `day`. Money in USD.

CREATE TABLE IF NOT EXISTS savings_estimates
(
    day              Date COMMENT 'the last day (UTC) that the estimate looks at',
    made_at          DateTime64(3, 'UTC'),
    days             UInt32 COMMENT 'how many days it looks at',
    calls            UInt64,
    cost_usd         Decimal(38, 12),
    routine_low      Float64 COMMENT 'share of calls known to be routine',
    routine_high     Float64 COMMENT 'and of those and all without a task class',
    movable_low      Float64 COMMENT 'share of calls shown to be movable to a cheaper tier',
    movable_high     Float64 COMMENT 'and of those and all of which too little is known',
    judged_share     Float64 COMMENT 'of runs',
    policy_share     Float64 COMMENT 'of calls that name policy and decision',
    saving_low_usd   Decimal(38, 12) COMMENT 'of the days looked at',
    saving_high_usd  Decimal(38, 12),
    recommendation   LowCardinality(String),
    why              String,
    conditions       Array(String),
    questions        Array(String),
    answers          Array(String),
    reasons          Array(String),
    assumptions      Array(String)
)
ENGINE = MergeTree
ORDER BY day
SETTINGS non_replicated_deduplication_window = 1000;

CREATE TABLE IF NOT EXISTS savings_evidence
(
    day              Date,
    task_class       LowCardinality(String),
    from_tier        LowCardinality(String),
    to_tier          LowCardinality(String),
    state            LowCardinality(String) COMMENT 'movable, worse, unclear, no evidence',
    runs_from        UInt64 COMMENT 'judged',
    successes_from   UInt64,
    runs_to          UInt64,
    successes_to     UInt64,
    difference       Nullable(Float64),
    low              Nullable(Float64),
    high             Nullable(Float64),
    runs_needed      Nullable(UInt64),
    calls            Nullable(UInt64) COMMENT 'that would move; NULL where nothing is to be moved',
    cost_usd         Nullable(Decimal(38, 12)),
    saving_low_usd   Nullable(Decimal(38, 12)),
    saving_high_usd  Nullable(Decimal(38, 12))
)
ENGINE = MergeTree
ORDER BY (day, task_class, from_tier, to_tier)
SETTINGS non_replicated_deduplication_window = 1000;

CREATE TABLE IF NOT EXISTS outcome_figures
(
    day                   Date,
    dimension             LowCardinality(String) COMMENT 'by_tier, by_model, by_task_class, by_class_and_tier, by_team, by_agent, total',
    name                  String COMMENT 'the group, its parts joined by /',
    runs                  UInt64 COMMENT 'judged',
    successes             UInt64,
    low                   Float64 COMMENT 'of the 95 % interval of the success rate',
    high                  Float64,
    cost_usd              Decimal(38, 12),
    cost_per_success_usd  Nullable(Decimal(38, 12)),
    calls                 UInt64,
    unpriced              UInt64
)
ENGINE = MergeTree
ORDER BY (day, dimension, name)
SETTINGS non_replicated_deduplication_window = 1000;
