-- What policies decided, over time. Calls without a decision are left out.
-- Columns: at (time), decision (label), calls (calls).
-- Order: at, decision
-- Reads: agents
SELECT $__timeInterval(time) AS at, decision, count() AS calls
FROM intake
WHERE outcome = 'call' AND decision != '' AND $__timeFilter_ms(time) AND @filter(team, agent, run)
GROUP BY at, decision
ORDER BY at, decision
