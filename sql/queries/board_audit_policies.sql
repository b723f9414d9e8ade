-- What each policy decided, how often, and what the calls cost that it let through.
-- Columns: policy (text), decision (text), calls (calls), agents (count), spend (USD), newest (time).
-- Order: calls desc
-- Reads: agents
SELECT
    if(policy_id = '', '(none named)', policy_id) AS policy, decision, count() AS calls, uniq(agent_id) AS agents,
    toFloat64(sum(rated_cost_usd)) AS spend, max(time) AS newest
FROM rated_calls
WHERE decision != '' AND @hours AND $__timeFilter_ms(time) AND @filter(team, agent, run)
GROUP BY policy, decision
ORDER BY calls DESC, policy, decision
LIMIT 100
