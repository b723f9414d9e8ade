-- Closing a month freezes its figures. What becomes known afterwards (a late call, a price computed again) counts as a
-- correction in the month in which it became known; the frozen figures stay as they were read and signed.

-- One row for each change, in order: closed, reopened, closed again. A closing counts from the moment its row is here.
CREATE TABLE IF NOT EXISTS closing_changes
(
    month           Date COMMENT 'its first day; a call belongs to the month (UTC) in which it was made',
    number          UInt32 COMMENT 'of the month''s changes, from 1',
    change          Enum8('closed' = 1, 'reopened' = 2),
    id              String,
    at              DateTime64(3, 'UTC'),
    by              String COMMENT 'who ordered it',
    reason          String,
    -- what was known: the figures are those of the calls and ratings up to here
    keys            Array(UInt64) COMMENT 'parts of the log: incarnation * 2^32 + partition',
    nexts           Array(UInt64) COMMENT 'for each of them, the first offset that is not in the figures',
    ratings         Array(String) COMMENT 'ids of the ratings that are in the figures',
    accepted_gaps   UInt64 COMMENT 'records of the month that the log did not give, and that were accepted as lost',
    calls           UInt64,
    unpriced        UInt64,
    cost_usd        Decimal(38, 12) COMMENT 'of the month''s own calls',
    corrections_usd Decimal(38, 12) COMMENT 'of earlier closed months, known in this one',
    digest          String COMMENT 'SHA-256 of the figures; see docs/finance.md'
)
ENGINE = MergeTree
ORDER BY (month, number)
SETTINGS non_replicated_deduplication_window = 1000;

CREATE TABLE IF NOT EXISTS closed_figures
(
    closing_id                LowCardinality(String),
    month                     Date COMMENT 'that was closed',
    kind                      Enum8('usage' = 1, 'late' = 2, 'rerated' = 3) COMMENT 'the month''s own calls, or what was learnt in it of earlier closed months',
    day                       Date COMMENT 'on which the calls were made, UTC',
    tenant_id                 LowCardinality(String),
    team_id                   LowCardinality(String),
    tier                      LowCardinality(String),
    provider_name             LowCardinality(String),
    request_model             LowCardinality(String),
    calls                     Int64,
    input_tokens              Int64,
    output_tokens             Int64,
    cache_read_input_tokens   Int64,
    cache_write_input_tokens  Int64,
    reasoning_output_tokens   Int64,
    cost_usd                  Decimal(38, 12),
    unpriced                  Int64 COMMENT 'calls without a price; negative where a correction gave some a price',
    errors                    Int64
)
ENGINE = MergeTree
ORDER BY (month, closing_id, kind, day)
SETTINGS non_replicated_deduplication_window = 1000;

-- Two changes that were ordered at the same moment have the same number: the first of them counts.
CREATE OR REPLACE VIEW settled_closings AS
SELECT month, number, change, id, at, by, reason, keys, nexts, ratings, accepted_gaps, calls, unpriced, cost_usd, corrections_usd, digest
FROM closing_changes
ORDER BY month, number, at, id
LIMIT 1 BY month, number;

-- The months that are closed now.
CREATE OR REPLACE VIEW closed_months AS
SELECT month, number, id, at, by, reason, keys, nexts, ratings, accepted_gaps, calls, unpriced, cost_usd, corrections_usd, digest
FROM (SELECT * FROM settled_closings ORDER BY month, number DESC LIMIT 1 BY month)
WHERE change = 'closed';

-- The frozen figures of the months that are closed now.
CREATE OR REPLACE VIEW closed_spend AS
SELECT
    month, kind, day, tenant_id, team_id, tier, provider_name, request_model, calls, input_tokens, output_tokens,
    cache_read_input_tokens, cache_write_input_tokens, reasoning_output_tokens, cost_usd, unpriced, errors
FROM closed_figures
WHERE closing_id IN (SELECT id FROM closed_months);
