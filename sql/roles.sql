-- Who may see what, for a ClickHouse of your own with SQL-driven access control. Run it once as an administrator, after
-- `spendstream migrate`; running it again changes nothing. (docker-compose has its two users in deploy/clickhouse/users.xml.)
--
--   spendstream_finance   cost and tokens of all teams; no payloads of rejects, no fingerprints, tags or conversations
--   spendstream_oncall    everything in the ledger, who owned which partition included
--   spendstream_lead      what finance sees, of the own teams only: rows of `team_leads` say which
--   spendstream_grafana   the boards' user: reads everything, changes nothing, and cannot log in yet. Then:
--                         ALTER USER spendstream_grafana IDENTIFIED BY 'a long password' HOST ANY
--
--   GRANT spendstream_lead TO ada;
--   INSERT INTO spendstream.team_leads (lead, team_id) VALUES ('ada', 'search');
--
-- Who is a lead and something else besides sees the own teams only. A lead who shall use the boards needs a data source
-- with the lead's own user: Grafana's one user sees all teams.

CREATE SETTINGS PROFILE IF NOT EXISTS spendstream_reader
SETTINGS
    readonly = 1,
    max_execution_time = 60 MIN 1 MAX 600 CHANGEABLE_IN_READONLY,
    max_memory_usage = 4000000000,
    date_time_output_format = 'simple' CHANGEABLE_IN_READONLY,
    output_format_json_quote_decimals = 0 CHANGEABLE_IN_READONLY,
    output_format_json_quote_64bit_integers = 0 CHANGEABLE_IN_READONLY,
    output_format_json_quote_denormals = 0 CHANGEABLE_IN_READONLY,
    output_format_json_validate_utf8 = 0 CHANGEABLE_IN_READONLY;

CREATE ROLE IF NOT EXISTS spendstream_finance SETTINGS PROFILE 'spendstream_reader';
CREATE ROLE IF NOT EXISTS spendstream_oncall SETTINGS PROFILE 'spendstream_reader';
CREATE ROLE IF NOT EXISTS spendstream_lead SETTINGS PROFILE 'spendstream_reader';

-- Which teams a lead may see.
CREATE TABLE IF NOT EXISTS spendstream.team_leads
(
    lead     String COMMENT 'name of the ClickHouse user',
    team_id  String
)
ENGINE = ReplacingMergeTree
ORDER BY (lead, team_id);

-- Views read with the reader's own rights, so the grant is on the columns of the table below them.
GRANT SELECT
(
    incarnation, partition, offset, item, outcome, arrived_at, ingested_at, id, source, time, hour, tenant_id, team_id,
    agent_id, agent_name, parent_agent_id, run_id, parent_call_id, operation_name, provider_name, request_model,
    response_model, tier, task_class, escalated_from, route_reason, policy_id, decision, input_tokens, output_tokens,
    cache_read_input_tokens, cache_write_input_tokens, reasoning_output_tokens, attempt, retry_of, status, error_type,
    http_status, latency_ms, time_to_first_token_ms, tool_name, plan_id, reported_cost, cost_usd, price_status,
    price_source, price_ref, price_from, reason
) ON spendstream.intake TO spendstream_finance, spendstream_lead;
GRANT SELECT ON spendstream.spend_by_hour TO spendstream_finance, spendstream_lead;
GRANT SELECT ON spendstream.duplicates TO spendstream_finance, spendstream_lead;
GRANT SELECT
(
    id, source, time, tenant_id, team_id, agent_id, agent_name, parent_agent_id, run_id, parent_call_id, operation_name,
    provider_name, request_model, response_model, tier, task_class, escalated_from, route_reason, policy_id, decision,
    input_tokens, output_tokens, cache_read_input_tokens, cache_write_input_tokens, reasoning_output_tokens, attempt,
    retry_of, status, error_type, http_status, latency_ms, time_to_first_token_ms, tool_name, plan_id, reported_cost,
    cost_usd, price_status, price_source, price_ref, price_from, hour, arrived_at, ingested_at, incarnation, partition,
    offset, item
) ON spendstream.calls TO spendstream_finance, spendstream_lead;
GRANT SELECT
(
    id, source, time, tenant_id, team_id, agent_id, agent_name, parent_agent_id, run_id, parent_call_id, operation_name,
    provider_name, request_model, response_model, tier, task_class, escalated_from, route_reason, policy_id, decision,
    input_tokens, output_tokens, cache_read_input_tokens, cache_write_input_tokens, reasoning_output_tokens, attempt,
    retry_of, status, error_type, http_status, latency_ms, time_to_first_token_ms, tool_name, plan_id, reported_cost,
    cost_usd, price_status, price_source, price_ref, price_from, hour, arrived_at, ingested_at, incarnation, partition,
    offset, item, adjustment_usd, rated_cost_usd, rating_id, rated_price_status, rated_price_source, rated_price_ref,
    rated_price_from
) ON spendstream.rated_calls TO spendstream_finance, spendstream_lead;
GRANT SELECT
(
    rating_id, incarnation, partition, offset, item, ingested_at, id, time, hour, tenant_id, team_id, agent_id, run_id,
    provider_name, request_model, tier, task_class, plan_id, cost_before_usd, cost_after_usd, adjustment_usd,
    priced_change, price_status, price_source, price_ref, price_from
) ON spendstream.adjustments TO spendstream_finance, spendstream_lead;
GRANT SELECT ON spendstream.settled_adjustments TO spendstream_finance;
GRANT SELECT ON spendstream.settled_ratings TO spendstream_finance, spendstream_lead;
GRANT SELECT
(
    number, id, started_at, finished_at, first, end, models, book, overrides
) ON spendstream.ratings TO spendstream_lead;
GRANT SELECT ON spendstream.ratings TO spendstream_finance;
-- Verdicts on runs, without what was refused; judged runs, leads those that began in their teams; figures of quality and
-- savings, which are of all teams.
GRANT SELECT
(
    incarnation, partition, offset, item, kind, arrived_at, ingested_at, run_id, outcome, id, time, time_told, agent_id,
    score, evaluator, task_class, reason
) ON spendstream.outcome_intake TO spendstream_finance;
GRANT SELECT ON spendstream.outcomes TO spendstream_finance;
GRANT SELECT ON spendstream.judged_run_rows TO spendstream_finance, spendstream_lead;
GRANT SELECT ON spendstream.judged_runs TO spendstream_finance, spendstream_lead;
GRANT SELECT ON spendstream.outcome_figures TO spendstream_finance;
GRANT SELECT ON spendstream.savings_estimates TO spendstream_finance;
GRANT SELECT ON spendstream.savings_evidence TO spendstream_finance;
-- Budgets: finance all, leads those of exactly one of their teams.
GRANT SELECT ON spendstream.budget_state_rows TO spendstream_finance, spendstream_lead;
GRANT SELECT ON spendstream.budget_states TO spendstream_finance, spendstream_lead;
GRANT SELECT ON spendstream.budget_event_rows TO spendstream_finance;
GRANT SELECT ON spendstream.budget_events TO spendstream_finance;
-- Runaways and who was told of them: leads of their teams; signals and controls name no team and are on-call's. Plans and
-- closed months: finance all, leads the lines of their teams.
GRANT SELECT ON spendstream.incident_events TO spendstream_finance, spendstream_lead;
GRANT SELECT ON spendstream.incidents TO spendstream_finance, spendstream_lead;
GRANT SELECT ON spendstream.notice_rows TO spendstream_finance, spendstream_lead;
GRANT SELECT ON spendstream.notices TO spendstream_finance, spendstream_lead;
GRANT SELECT ON spendstream.plan_line_rows TO spendstream_finance, spendstream_lead;
GRANT SELECT ON spendstream.plan_period_rows TO spendstream_finance;
GRANT SELECT ON spendstream.plan_periods TO spendstream_finance;
GRANT SELECT ON spendstream.plan_figures TO spendstream_finance;
GRANT SELECT ON spendstream.closed_figures TO spendstream_finance, spendstream_lead;
GRANT SELECT ON spendstream.closing_changes TO spendstream_finance;
GRANT SELECT ON spendstream.settled_closings TO spendstream_finance;
GRANT SELECT ON spendstream.closed_months TO spendstream_finance;
GRANT SELECT ON spendstream.closed_spend TO spendstream_finance;
GRANT SELECT ON spendstream.team_leads TO spendstream_lead;
GRANT SELECT ON spendstream.* TO spendstream_oncall;

-- Once a table has one policy, who has none sees nothing: hence the second. Written out for each table, since a policy names
-- one table and SQL has no loop: whoever grants rights reads here what holds, and nothing generates it.
CREATE ROW POLICY IF NOT EXISTS spendstream_own_teams ON spendstream.intake FOR SELECT
USING team_id IN (SELECT team_id FROM spendstream.team_leads WHERE lead = currentUser())
TO spendstream_lead;
CREATE ROW POLICY IF NOT EXISTS spendstream_all_teams ON spendstream.intake FOR SELECT
USING 1
TO ALL EXCEPT spendstream_lead;
CREATE ROW POLICY IF NOT EXISTS spendstream_own_adjustments ON spendstream.adjustments FOR SELECT
USING team_id IN (SELECT team_id FROM spendstream.team_leads WHERE lead = currentUser())
TO spendstream_lead;
CREATE ROW POLICY IF NOT EXISTS spendstream_all_adjustments ON spendstream.adjustments FOR SELECT
USING 1
TO ALL EXCEPT spendstream_lead;
CREATE ROW POLICY IF NOT EXISTS spendstream_own_budgets ON spendstream.budget_state_rows FOR SELECT
USING team_id IN (SELECT team_id FROM spendstream.team_leads WHERE lead = currentUser())
TO spendstream_lead;
CREATE ROW POLICY IF NOT EXISTS spendstream_all_budgets ON spendstream.budget_state_rows FOR SELECT
USING 1
TO ALL EXCEPT spendstream_lead;
CREATE ROW POLICY IF NOT EXISTS spendstream_own_runaways ON spendstream.incident_events FOR SELECT
USING team_id IN (SELECT team_id FROM spendstream.team_leads WHERE lead = currentUser())
TO spendstream_lead;
CREATE ROW POLICY IF NOT EXISTS spendstream_all_runaways ON spendstream.incident_events FOR SELECT
USING 1
TO ALL EXCEPT spendstream_lead;
CREATE ROW POLICY IF NOT EXISTS spendstream_own_notices ON spendstream.notice_rows FOR SELECT
USING team_id IN (SELECT team_id FROM spendstream.team_leads WHERE lead = currentUser())
TO spendstream_lead;
CREATE ROW POLICY IF NOT EXISTS spendstream_all_notices ON spendstream.notice_rows FOR SELECT
USING 1
TO ALL EXCEPT spendstream_lead;
CREATE ROW POLICY IF NOT EXISTS spendstream_own_plan_lines ON spendstream.plan_line_rows FOR SELECT
USING team_id IN (SELECT team_id FROM spendstream.team_leads WHERE lead = currentUser())
TO spendstream_lead;
CREATE ROW POLICY IF NOT EXISTS spendstream_all_plan_lines ON spendstream.plan_line_rows FOR SELECT
USING 1
TO ALL EXCEPT spendstream_lead;
CREATE ROW POLICY IF NOT EXISTS spendstream_own_closed_figures ON spendstream.closed_figures FOR SELECT
USING team_id IN (SELECT team_id FROM spendstream.team_leads WHERE lead = currentUser())
TO spendstream_lead;
CREATE ROW POLICY IF NOT EXISTS spendstream_all_closed_figures ON spendstream.closed_figures FOR SELECT
USING 1
TO ALL EXCEPT spendstream_lead;
CREATE ROW POLICY IF NOT EXISTS spendstream_own_judged_runs ON spendstream.judged_run_rows FOR SELECT
USING team_id IN (SELECT team_id FROM spendstream.team_leads WHERE lead = currentUser())
TO spendstream_lead;
CREATE ROW POLICY IF NOT EXISTS spendstream_all_judged_runs ON spendstream.judged_run_rows FOR SELECT
USING 1
TO ALL EXCEPT spendstream_lead;
CREATE ROW POLICY IF NOT EXISTS spendstream_own_entries ON spendstream.team_leads FOR SELECT
USING lead = currentUser()
TO spendstream_lead;
CREATE ROW POLICY IF NOT EXISTS spendstream_all_entries ON spendstream.team_leads FOR SELECT
USING 1
TO ALL EXCEPT spendstream_lead;

CREATE USER IF NOT EXISTS spendstream_grafana NOT IDENTIFIED HOST NONE SETTINGS PROFILE 'spendstream_reader';
GRANT SELECT ON spendstream.* TO spendstream_grafana;
