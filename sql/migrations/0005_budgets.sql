-- Budgets: how each stands (replaced as it changes), and what happened to it (one row an event, told once).

-- One row for each budget, value of `each`, and period; written again when a figure of it has changed. The latest counts.
CREATE TABLE IF NOT EXISTS budget_state_rows
(
    budget            String COMMENT 'name of the budget in the operator''s file',
    value             String COMMENT 'the agent, run, team, ... of a budget for each of them; empty for one budget',
    period_start      DateTime64(3, 'UTC'),
    period_end        DateTime64(3, 'UTC'),
    period            Enum8('day' = 1, 'week' = 2, 'month' = 3),
    hard              Bool,
    each              LowCardinality(String) COMMENT 'what `value` is; empty for one budget',
    scope             Map(String, Array(String)) COMMENT 'tenant, team, agent, tier, model, key, run: the names that count; what is missing is not limited',
    team_id           LowCardinality(String) COMMENT 'the team when the budget is of exactly one',
    tier              LowCardinality(String) COMMENT 'the tier when the budget is of exactly one',
    amount_usd        Decimal(38, 12),
    spent_usd         Decimal(38, 12),
    remaining_usd     Decimal(38, 12) COMMENT 'below zero when overspent',
    unpriced          UInt64 COMMENT 'calls of the period without a price: they are in no amount',
    crossed           UInt16 COMMENT 'the highest threshold that is reached, in per cent; 0: none',
    burning           LowCardinality(String) COMMENT 'the worst severity of the burn alerts that are on; empty: none',
    burn_long         Float64 COMMENT 'of the pair of windows that is nearest to its rate: times the even pace, long window',
    burn_short        Float64 COMMENT 'the same, short window',
    forecast_usd      Nullable(Decimal(38, 12)) COMMENT 'spent and expected to the end of the period; NULL when it is over',
    forecast_low_usd  Nullable(Decimal(38, 12)) COMMENT 'interval of 80 %; NULL while there is too little of a past',
    forecast_high_usd Nullable(Decimal(38, 12)),
    exhausts_at       Nullable(DateTime64(3, 'UTC')) COMMENT 'when the amount is (or was) spent, in this period; NULL: not in this period',
    evaluated_at      DateTime64(3, 'UTC'),
    removed           Bool COMMENT 'the budget is not in the file any more'
)
ENGINE = ReplacingMergeTree(evaluated_at)
ORDER BY (budget, value, period_start)
SETTINGS non_replicated_deduplication_window = 1000;

CREATE OR REPLACE VIEW budget_states AS
SELECT
    budget, value, period_start, period_end, period, hard, each, scope, team_id, tier, amount_usd, spent_usd,
    remaining_usd, unpriced, crossed, burning, burn_long, burn_short, forecast_usd, forecast_low_usd, forecast_high_usd,
    exhausts_at, evaluated_at
FROM budget_state_rows FINAL
WHERE NOT removed;

-- What happened to a budget. The id is made of budget, value, period, kind and number, never of a clock or a process:
-- a restart, a replay or a second worker find it known. `crossed`: a threshold was reached for the first time in the
-- period; `burning`, `calm`: a burn alert came on, went off; `expected`: the forecast's low end is above the amount.
CREATE TABLE IF NOT EXISTS budget_event_rows
(
    id            String,
    budget        String,
    value         String,
    period_start  DateTime64(3, 'UTC'),
    kind          Enum8('crossed' = 1, 'burning' = 2, 'calm' = 3, 'expected' = 4),
    mark          String COMMENT 'the threshold in per cent; the pair of windows in hours, as 6/1; empty',
    number        UInt32 COMMENT '1 for what happens once a period; 1, 2, ... for burn alerts of a pair',
    severity      Enum8('ticket' = 1, 'warning' = 2, 'critical' = 3),
    told          Bool COMMENT 'a notice was put; a threshold passed at the same time as a higher one is not told',
    amount_usd    Decimal(38, 12),
    spent_usd     Decimal(38, 12) COMMENT 'when it was seen; late calls and ratings may change it later',
    title         String,
    at            DateTime64(3, 'UTC') COMMENT 'when it was seen'
)
ENGINE = MergeTree
ORDER BY (budget, value, period_start, at, id)
SETTINGS non_replicated_deduplication_window = 1000;

CREATE OR REPLACE VIEW budget_events AS
SELECT id, budget, value, period_start, kind, mark, number, severity, told, amount_usd, spent_usd, title, at
FROM budget_event_rows
ORDER BY budget, value, period_start, at, id
LIMIT 1 BY id;
