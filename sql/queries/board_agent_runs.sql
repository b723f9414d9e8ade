-- The fifty runs that cost most in the time range, as far as they lie in it.
-- Columns: run (text), team (text), agents (count), calls (calls), spend (USD), seconds (seconds), escalated (calls), denied (calls),
-- failed (calls), newest (time).
-- Order: spend desc
-- Reads: agents
SELECT
    run_id AS run, any(@team) AS team, uniq(agent_id) AS agents, count() AS calls, toFloat64(sum(rated_cost_usd)) AS spend,
    dateDiff('second', min(time), max(time)) AS seconds, countIf(escalated_from != '') AS escalated,
    countIf(decision = 'deny') AS denied, countIf(status NOT IN ('ok', 'denied')) AS failed, max(time) AS newest
FROM rated_calls
WHERE run_id != '' AND @hours AND $__timeFilter_ms(time) AND @filter(team, tier, model, agent)
GROUP BY run_id
ORDER BY spend DESC NULLS LAST, run
LIMIT 50
