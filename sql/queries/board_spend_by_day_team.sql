-- Spend by day (UTC) of the eight teams that cost most in the time range; the others as one.
-- Columns: day (time), team (label), spend (USD).
-- Order: day, team
-- Reads: hours
WITH
    (
        SELECT groupArray(8)(t.name) FROM
        (
            SELECT @team AS name, sum(cost_usd) AS cost FROM spend_by_hour
            WHERE @hours AND @filter(team, tier, model)
            GROUP BY name ORDER BY cost DESC NULLS LAST, name
        ) AS t
    ) AS largest
SELECT d.day AS day, if(has(largest, d.name), d.name, 'other teams') AS team, toFloat64(sum(d.cost)) AS spend
FROM
(
    SELECT toStartOfDay(hour) AS day, @team AS name, sum(cost_usd) AS cost FROM spend_by_hour
    WHERE @hours AND @filter(team, tier, model)
    GROUP BY day, name
) AS d
GROUP BY day, team
ORDER BY day, team
