-- Why calls were sent up, by reason, policy and tiers; what they cost, the failed attempts before them not included.
-- Columns: reason (text), policy (text), from_tier (text), to_tier (text), calls (calls), agents (count), runs (runs), spend (USD),
-- newest (time).
-- Order: spend desc
-- Reads: agents
SELECT
    if(c.route_reason = '', '(none)', c.route_reason) AS reason, c.policy_id AS policy, c.escalated_from AS from_tier, c.tier AS to_tier,
    count() AS calls, uniqExact(c.agent_id) AS agents, uniqExactIf(c.run_id, c.run_id != '') AS runs,
    toFloat64(sum(c.rated_cost_usd)) AS spend, max(c.time) AS newest
FROM rated_calls AS c
WHERE (escalated_from != '' OR decision = 'escalate') AND @hours AND $__timeFilter_ms(time) AND @filter(team, tier, model, agent)
GROUP BY reason, policy, from_tier, to_tier
ORDER BY spend DESC NULLS LAST, reason, policy, from_tier, to_tier
LIMIT 100
