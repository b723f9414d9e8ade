-- Calls that did not end well, over time, by status.
-- Columns: at (time), status (label), calls (calls).
-- Order: at, status
-- Reads: agents
SELECT $__timeInterval(time) AS at, status, count() AS calls
FROM intake
WHERE outcome = 'call' AND status != 'ok' AND $__timeFilter_ms(time) AND @filter(team, tier, model, agent)
GROUP BY at, status
ORDER BY at, status
