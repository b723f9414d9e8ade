-- Calls of [first, end) (epoch ms) that were sent to another tier than first tried, or that a policy escalated.
-- One row for each agent, reason, policy, pair of tiers and run. from_tier '': the router did not say.
-- tried_*: the calls that these replace (retry_of, of the same source), where the ledger has them.
-- Columns: agent_id, team_id, reason, policy_id, from_tier, to_tier, run_id, calls, cost_usd, unpriced, tried_calls,
-- tried_cost_usd.
WITH up AS
(
    SELECT
        c.source AS source, c.agent_id AS agent_id, c.team_id AS team_id, c.route_reason AS reason, c.policy_id AS policy_id,
        c.escalated_from AS from_tier, c.tier AS to_tier, c.run_id AS run_id, c.retry_of AS retry_of,
        c.rated_cost_usd AS cost
    FROM rated_calls AS c
    WHERE c.time >= fromUnixTimestamp64Milli({first:Int64}) AND c.time < fromUnixTimestamp64Milli({end:Int64})
        AND (c.escalated_from != '' OR c.decision = 'escalate')
)
SELECT
    u.agent_id AS agent, any(u.team_id) AS team, u.reason AS reason, u.policy_id AS policy,
    u.from_tier AS from_tier, u.to_tier AS to_tier, u.run_id AS run,
    count() AS calls,
    ifNull(sum(u.cost), 0) AS cost_usd,
    count() - count(u.cost) AS unpriced,
    countIf(t.found = 1) AS tried_calls,
    ifNull(sum(t.cost), 0) AS tried_cost_usd
FROM up AS u
LEFT JOIN
(
    SELECT c.source AS source, c.id AS id, c.rated_cost_usd AS cost, 1 AS found
    FROM rated_calls AS c
    WHERE (c.source, c.id) IN (SELECT source, retry_of FROM up WHERE retry_of != '')
        AND c.time >= fromUnixTimestamp64Milli({first:Int64} - 86400000) AND c.time < fromUnixTimestamp64Milli({end:Int64})
) AS t ON t.source = u.source AND t.id = u.retry_of
GROUP BY agent, reason, policy, from_tier, to_tier, run
ORDER BY agent, reason, policy, from_tier, to_tier, run
