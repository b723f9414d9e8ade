-- The fifty agents that cost most in the time range. newest: the agent's last call in it.
-- Columns: agent (text), name (text), team (text), spend (USD), calls (calls), runs (runs), tokens (tokens), error_share (share),
-- escalated (calls), denied (calls), unpriced (calls), newest (time).
-- Order: spend desc
-- Reads: agents
SELECT
    agent_id AS agent, any(agent_name) AS name, any(@team) AS team, toFloat64(sum(rated_cost_usd)) AS spend, count() AS calls,
    uniq(run_id) AS runs, sum(input_tokens) + sum(output_tokens) AS tokens, countIf(status != 'ok') / calls AS error_share,
    countIf(escalated_from != '') AS escalated, countIf(decision = 'deny') AS denied,
    count() - count(rated_cost_usd) AS unpriced, max(time) AS newest
FROM rated_calls
WHERE @hours AND $__timeFilter_ms(time) AND @filter(team, tier, model, agent)
GROUP BY agent_id
ORDER BY spend DESC NULLS LAST, agent
LIMIT 50
