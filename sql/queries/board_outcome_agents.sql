-- Judged runs by agent and tier, agents with most runs first: where the tiers can be compared. low, high: 95 % Wilson
-- interval of the success rate.
-- Columns: agent (text), tier (text), judged (runs), success (share), low (share), high (share), cost_per_success (USD), newest (time).
-- Order: judged desc
-- Reads: outcomes
SELECT
    j.agent_id AS agent, j.tier AS tier, count() AS judged, avg(j.success) AS success, @wilson_low AS low, @wilson_high AS high,
    toFloat64(sum(j.cost_usd)) / nullIf(sum(j.success), 0) AS cost_per_success, max(j.ended_at) AS newest
FROM judged_runs AS j
WHERE $__timeFilter_ms(j.began_at) AND @filter(team, tier, model, agent)
GROUP BY agent, tier
ORDER BY judged DESC, agent, tier
LIMIT 200
