-- The watcher: signals, incidents with their whole history, the state it goes on from after a restart.

-- One row of `incident_events` for every change of an incident. `number` counts the changes of one incident (1 is
-- `opened`), the same at every fold of the same calls, so a change that is written again is the same row: the row of
-- (incident_id, number) that was recorded last counts. `updated` rows only bring the running totals of an open incident
-- up to date: they carry the number of the change before them, and one of them stays.
CREATE TABLE IF NOT EXISTS incident_events
(
    incident_id           String,
    number                UInt32 COMMENT 'counts the changes of the incident, from 1',
    change                LowCardinality(String) COMMENT 'opened, escalated, resolved, reopened, acknowledged, silenced; updated: running totals only',
    at                    DateTime64(3, 'UTC') COMMENT 'event time of the change',
    kind                  LowCardinality(String),
    severity              LowCardinality(String) COMMENT 'ticket, warning or critical',
    state                 LowCardinality(String) COMMENT 'open or resolved',
    tenant_id             LowCardinality(String) COMMENT 'of the first abnormal call, like team_id and tier',
    team_id               LowCardinality(String),
    tier                  LowCardinality(String),
    agent_id              String COMMENT 'the root agent; fleet where no single agent is meant',
    run_id                String COMMENT 'empty where the agent as a whole is meant',
    first_call_id         String COMMENT 'the first abnormal call',
    first_time            DateTime64(3, 'UTC'),
    opened_at             DateTime64(3, 'UTC'),
    opened_by             String COMMENT 'the call that opened it',
    calls_before_open     UInt64,
    cost_before_open_usd  Decimal(38, 12),
    calls                 UInt64 COMMENT 'since the first abnormal call',
    cost_usd              Decimal(38, 12) COMMENT 'of priced calls since the first abnormal call',
    evidence              String,
    kinds                 Map(String, String) COMMENT 'every kind that joined, with its evidence',
    runs                  Array(String),
    ready                 Bool COMMENT 'judged by the history of the agent itself',
    page                  Bool COMMENT 'anything above a ticket',
    resolved_at           Nullable(DateTime64(3, 'UTC')),
    reopened              UInt32,
    pages                 UInt32,
    acknowledged_by       String,
    acknowledged_at       Nullable(DateTime64(3, 'UTC')),
    silenced_until        Nullable(DateTime64(3, 'UTC')) COMMENT 'wall time',
    by                    String COMMENT 'who made this change; empty: the detector',
    reason                String,
    action_id             String COMMENT 'the action of an operator that made this change',
    backfill              Bool COMMENT 'found while the past was read at the very first start: nobody is to be told',
    partition             UInt32 COMMENT 'of spendstream.steps',
    epoch                 UInt64 COMMENT 'of that partition',
    recorded_at           DateTime64(3, 'UTC') COMMENT 'wall time; of one partition, each insert has a later one than the insert before'
)
ENGINE = ReplacingMergeTree(recorded_at)
ORDER BY (incident_id, number, change = 'updated')
SETTINGS non_replicated_deduplication_window = 1000;

-- Each incident as it stands now.
CREATE OR REPLACE VIEW incidents AS
SELECT
    incident_id,
    last.1 AS kind, last.2 AS severity, last.3 AS state, last.4 AS tenant_id, last.5 AS team_id, last.6 AS tier,
    last.7 AS agent_id, last.8 AS run_id, last.9 AS first_call_id, last.10 AS first_time, last.11 AS opened_at,
    last.12 AS opened_by, last.13 AS calls_before_open, last.14 AS cost_before_open_usd, last.15 AS calls,
    last.16 AS cost_usd, last.17 AS evidence, last.18 AS kinds, last.19 AS runs, last.20 AS ready, last.21 AS page,
    last.22 AS resolved_at, last.23 AS reopened, last.24 AS pages, last.25 AS acknowledged_by,
    last.26 AS acknowledged_at, last.27 AS silenced_until, last.28 AS backfill, last.29 AS number, last.30 AS change,
    last.31 AS updated_at, last.32 AS recorded_at, last.33 AS partition
FROM
(
    SELECT
        incident_id,
        argMax(
            (
                kind, severity, state, tenant_id, team_id, tier, agent_id, run_id, first_call_id, first_time, opened_at,
                opened_by, calls_before_open, cost_before_open_usd, calls, cost_usd, evidence, kinds, runs, ready, page,
                resolved_at, reopened, pages, acknowledged_by, acknowledged_at, silenced_until, backfill, number, change,
                at, e.recorded_at, partition
            ),
            (number, change = 'updated', e.recorded_at)
        ) AS last
    FROM incident_events AS e
    GROUP BY incident_id
);

-- What crossed a limit, whether or not it opened an incident of its own.
CREATE TABLE IF NOT EXISTS signals
(
    kind                 LowCardinality(String),
    agent_id             String,
    run_id               String,
    call_id              String COMMENT 'the call at which the limit was crossed',
    time                 DateTime64(3, 'UTC'),
    first_call_id        String,
    first_time           DateTime64(3, 'UTC'),
    calls                UInt64 COMMENT 'since the first abnormal call',
    cost_usd             Decimal(38, 12),
    score                Float64 COMMENT 'level over its limit: 1 is at the limit',
    ready                Bool,
    page                 Bool,
    evidence             String,
    partition            UInt32 COMMENT 'of spendstream.steps',
    recorded_at          DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(recorded_at)
ORDER BY (agent_id, time, kind, call_id)
SETTINGS non_replicated_deduplication_window = 1000;

-- Where the watcher goes on: the state of one root agent a row (key 'root/...'), what belongs to no single agent
-- ('fleet'), calls whose turn has not come ('held'), how far it has read ('position'). One checkpoint is one insert of
-- what changed. An empty state takes a key away.
CREATE TABLE IF NOT EXISTS watch_state
(
    partition    UInt32 COMMENT 'of spendstream.steps',
    key          String,
    version      UInt64 COMMENT 'counts checkpoints; the highest of a key counts',
    last_ms      Int64 COMMENT 'of a root agent: event time of its last call',
    names        Array(String) COMMENT 'of a root agent: the agents without run ids that it stands for',
    runs         Array(String) COMMENT 'of a root agent: its live runs',
    open         Bool COMMENT 'of a root agent: it has an open incident',
    state        String CODEC(NONE),
    written_at   DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (partition, key)
SETTINGS non_replicated_deduplication_window = 1000;

-- Who watches a partition of spendstream.steps. The highest epoch may write signals, incidents and state, no other.
CREATE TABLE IF NOT EXISTS watch_epochs
(
    partition  UInt32,
    epoch      UInt64,
    worker     String,
    at         DateTime64(3, 'UTC') DEFAULT now64(3),
    note       String COMMENT 'where it went on'
)
ENGINE = MergeTree
ORDER BY (partition, epoch);
