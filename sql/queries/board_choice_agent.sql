-- Agents to choose from: of the chosen teams, the 500 with most calls in the time range. Others can be typed.
-- Columns: agent (text).
-- Reads: agents
SELECT agent_id AS agent FROM intake
WHERE outcome = 'call' AND $__timeFilter_ms(time) AND @filter(team)
GROUP BY agent
ORDER BY count() DESC, agent
LIMIT 500
