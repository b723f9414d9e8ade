-- Judged runs, one row each, summed up by the duty that watches quality (streams/outcomes/kept.py): boards read these,
-- and not the calls of the time range and of a week around it.

-- Written again when something of a run has changed; the latest counts. A run that turns out to have begun at another
-- time leaves its row with `gone` set.
CREATE TABLE IF NOT EXISTS judged_run_rows
(
    began_at           DateTime64(3, 'UTC') COMMENT 'time of its first call',
    run_id             String,
    ended_at           DateTime64(3, 'UTC') COMMENT 'time of its last call',
    tier               LowCardinality(String) COMMENT 'of its first call, as the four below',
    provider_name      LowCardinality(String),
    request_model      LowCardinality(String),
    agent_id           String,
    team_id            LowCardinality(String),
    task_class         LowCardinality(String) COMMENT 'by the evaluator, else the hardest that its calls say',
    success            Bool,
    evaluators         UInt32,
    tiers              UInt32 COMMENT 'different ones, of its calls',
    models             UInt32,
    calls              UInt64,
    escalated          UInt64 COMMENT 'calls that were sent up a tier',
    retries            UInt64,
    input_tokens       UInt64,
    cache_read_tokens  UInt64,
    output_tokens      UInt64,
    cost_usd           Decimal(38, 12) COMMENT 'of all its calls as rated when the row was written; unpriced ones add nothing',
    unpriced           UInt64,
    gone               Bool COMMENT 'nothing of this run began then',
    digest             UInt64 COMMENT 'of the figures: tells whether they have changed',
    written_at         DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(written_at)
ORDER BY (began_at, run_id)
SETTINGS non_replicated_deduplication_window = 1000;

CREATE OR REPLACE VIEW judged_runs AS
SELECT
    began_at, run_id, ended_at, tier, provider_name, request_model, agent_id, team_id, task_class, success, evaluators,
    tiers, models, calls, escalated, retries, input_tokens, cache_read_tokens, output_tokens, cost_usd, unpriced,
    digest, written_at
FROM judged_run_rows FINAL
WHERE NOT gone;
