-- What people are told, and what routers should do. Append-only: each state is the latest of its rows.

-- The outbox: one notice for one change of state of one subject (an incident, a budget, ...). Two workers may put the
-- same notice at the same moment; the view `notices` shows each id once, as it was first put.
CREATE TABLE IF NOT EXISTS notice_rows
(
    id           String COMMENT 'deterministic: the same change of state has the same id, whoever puts it and however often',
    subject      String COMMENT 'what it is about: an incident, a budget; one subject is one conversation',
    change       LowCardinality(String) COMMENT 'opened, escalated, reopened, resolved, ...',
    severity     Enum8('ticket' = 1, 'warning' = 2, 'critical' = 3),
    title        String,
    body         String,
    team_id      LowCardinality(String),
    tier         LowCardinality(String),
    at           DateTime64(3, 'UTC') COMMENT 'event time of the change',
    links        Map(String, String),
    labels       Map(String, String),
    resolved     Bool COMMENT 'the subject is over with this change',
    recorded_at  DateTime64(3, 'UTC')
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(recorded_at)
ORDER BY (recorded_at, id)
SETTINGS non_replicated_deduplication_window = 1000;

CREATE OR REPLACE VIEW notices AS
SELECT id, subject, change, severity, title, body, team_id, tier, at, links, labels, resolved, recorded_at
FROM notice_rows
ORDER BY recorded_at, id
LIMIT 1 BY id;

-- What became of each notice at each channel. `planned` is the decision of the policy at that time; `sending` is written
-- before the channel is asked and `sent`, `failed` after; the latest row is that with the highest (attempt, state).
CREATE TABLE IF NOT EXISTS deliveries
(
    notice   String,
    channel  LowCardinality(String) COMMENT 'empty where no route matched',
    subject  String,
    attempt  UInt32,
    state    Enum8('planned' = 1, 'sending' = 2, 'failed' = 3, 'sent' = 4, 'given_up' = 5, 'unrouted' = 6),
    at       DateTime64(3, 'UTC'),
    due_at   DateTime64(3, 'UTC') COMMENT 'when it is to be tried (next)',
    batch    String COMMENT 'notices of one digest share it; it is what the receiver sees as the id',
    claim    String COMMENT 'who sends: worker and process',
    error    String COMMENT 'why it failed, without secrets'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(at)
ORDER BY (at, notice)
SETTINGS non_replicated_deduplication_window = 1000;

-- Every change of every control, by whom and why. The view `controls` shows each as it stands: `released` and what has
-- expired count no longer.
CREATE TABLE IF NOT EXISTS control_events
(
    id               String COMMENT 'scope:subject',
    number           UInt64 COMMENT '1, 2, ... of this id',
    scope            Enum8('run' = 1, 'agent' = 2, 'key' = 3),
    subject          String COMMENT 'run_id, agent_id or api_key_id',
    mode             Enum8('observe' = 1, 'warn' = 2, 'enforce' = 3),
    action           Enum8('warn' = 1, 'throttle' = 2, 'block' = 3),
    rate_per_minute  Nullable(Decimal(12, 3)) COMMENT 'calls a minute that a throttle lets through',
    reason           String,
    incident_id      String,
    policy           String COMMENT 'empty when a person made this change',
    by               String COMMENT 'the person; empty when a policy made this change',
    since            DateTime64(3, 'UTC') COMMENT 'wall time of the change',
    expires_at       Nullable(DateTime64(3, 'UTC')) COMMENT 'NULL: until a person releases it',
    released         Bool COMMENT 'this change ends the control'
)
ENGINE = MergeTree
ORDER BY (id, number)
SETTINGS non_replicated_deduplication_window = 1000;

CREATE OR REPLACE VIEW controls AS
SELECT
    id, number, scope, subject, mode, action, rate_per_minute, reason, incident_id, policy, by, since, expires_at,
    released
FROM control_events
ORDER BY id, number DESC, since DESC
LIMIT 1 BY id;
