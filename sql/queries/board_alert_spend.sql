-- What each team spent in its dearest hour of the time range.
-- Columns: team (text), spend (USD).
-- Reads: hours
SELECT h.name AS team, max(h.cost) AS spend
FROM
(
    SELECT @team AS name, hour, toFloat64(ifNull(sum(cost_usd), 0)) AS cost FROM spend_by_hour
    WHERE @hours
    GROUP BY name, hour
) AS h
GROUP BY team
ORDER BY spend DESC, team
LIMIT 200
