-- What plans come to, written by a duty of the worker from the ledger's calls and the plans file, for boards and reports.
-- A plan and a month are written again whenever something in them changed; the latest run counts. Lines of a run come
-- first, its periods last and in one insert: a run that was cut off does not count, and the duty runs again within minutes.

CREATE TABLE IF NOT EXISTS plan_line_rows
(
    run             UInt64 COMMENT 'when it was written, epoch ms; the highest one of a plan and month counts',
    month           Date,
    plan            LowCardinality(String) COMMENT 'empty: calls that no plan is for',
    period_start    DateTime('UTC'),
    kind            Enum8('used' = 1, 'idle' = 2, 'overage' = 3, 'per_token' = 4) COMMENT 'idle: paid and not used, nobody''s',
    day             Date COMMENT 'of use; of idle lines the period''s last',
    tenant_id       LowCardinality(String),
    team_id         LowCardinality(String),
    tier            LowCardinality(String),
    provider_name   LowCardinality(String),
    request_model   LowCardinality(String),
    calls           UInt64,
    tokens          UInt64,
    list_usd        Decimal(38, 12) COMMENT 'by list price',
    cost_usd        Decimal(38, 12) COMMENT 'by the plan'
)
ENGINE = ReplacingMergeTree(run)
ORDER BY (month, plan, period_start, kind, day, tenant_id, team_id, tier, provider_name, request_model)
SETTINGS non_replicated_deduplication_window = 100;

CREATE TABLE IF NOT EXISTS plan_period_rows
(
    run             UInt64,
    month           Date,
    plan            LowCardinality(String),
    period_start    DateTime('UTC'),
    kind            LowCardinality(String) COMMENT 'per_token, flat, committed; none: the plan is not in the file any more',
    starts          DateTime('UTC') COMMENT 'of the part of the period that the plan covers',
    ends            DateTime('UTC'),
    unit            LowCardinality(String) COMMENT 'of capacity, used, beyond, idle: tokens, calls, or usd',
    fee_usd         Decimal(38, 12) COMMENT 'fee or commitment, of that part',
    capacity        Nullable(Decimal(38, 12)) COMMENT 'NULL: no limit',
    used            Decimal(38, 12),
    beyond          Decimal(38, 12),
    idle            Decimal(38, 12),
    idle_usd        Decimal(38, 12),
    overage_usd     Decimal(38, 12),
    total_usd       Decimal(38, 12),
    list_usd        Decimal(38, 12) COMMENT 'what the same calls would cost by list price',
    calls           UInt64,
    tokens          UInt64,
    unpriced_calls  UInt64,
    break_even      Nullable(Decimal(38, 0)) COMMENT 'units a period at which the present mix costs the fee by list price',
    tiers           Array(Tuple(tier String, calls UInt64, tokens UInt64, list_usd Decimal(38, 12), cost_usd Decimal(38, 12),
                    break_even Nullable(Decimal(38, 0)))),
    basis           String COMMENT 'of what it was computed: the same basis gives the same figures'
)
ENGINE = ReplacingMergeTree(run)
ORDER BY (month, plan, period_start)
SETTINGS non_replicated_deduplication_window = 100;

CREATE OR REPLACE VIEW plan_periods AS
SELECT
    month, plan, period_start, kind, starts, ends, unit, fee_usd, capacity, used, beyond, idle, idle_usd, overage_usd,
    total_usd, list_usd, calls, tokens, unpriced_calls, break_even, tiers, basis, run
FROM plan_period_rows
WHERE (month, plan, run) IN (SELECT month, plan, max(run) FROM plan_period_rows GROUP BY month, plan) AND kind != 'none'
LIMIT 1 BY month, plan, period_start;

-- Lines add up to `total_usd` of their period, and those of a month to what the month costs.
CREATE OR REPLACE VIEW plan_figures AS
SELECT
    month, plan, period_start, kind, day, tenant_id, team_id, tier, provider_name, request_model, calls, tokens, list_usd,
    cost_usd, run
FROM plan_line_rows
WHERE (month, plan, run) IN (SELECT month, plan, run FROM plan_periods)
LIMIT 1 BY month, plan, period_start, kind, day, tenant_id, team_id, tier, provider_name, request_model;
