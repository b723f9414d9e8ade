-- Calls that were sent to a dearer tier than asked, the newest 200.
-- Columns: at (time), team (text), agent (text), run (text), from_tier (text), to_tier (text), model (text), reason (text),
-- policy (text), cost (USD/call).
-- Order: at desc
-- Reads: agents
SELECT
    time AS at, @team AS team, agent_id AS agent, run_id AS run, escalated_from AS from_tier, tier AS to_tier, request_model AS model,
    route_reason AS reason, policy_id AS policy, toFloat64(rated_cost_usd) AS cost
FROM rated_calls
WHERE escalated_from != '' AND @hours AND $__timeFilter_ms(time) AND @filter(team, agent, run)
ORDER BY at DESC, agent
LIMIT 200
