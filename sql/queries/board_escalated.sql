-- Share of calls that were sent up from another tier, over time, by the tier they came from.
-- Columns: at (time), from_tier (label), escalated (share).
-- Order: at, from_tier
-- Reads: agents
SELECT b.at AS at, b.from_tier AS from_tier, b.calls / sum(b.calls) OVER (PARTITION BY b.at) AS escalated
FROM
(
    SELECT $__timeInterval(time) AS at, escalated_from AS from_tier, count() AS calls
    FROM calls
    WHERE $__timeFilter_ms(time) AND @filter(team, tier, model, agent)
    GROUP BY at, from_tier
) AS b
QUALIFY b.from_tier != ''
ORDER BY at, from_tier
