-- What the runs of the open runaways had cost by when (the eight dearest; of the chosen incident, open or not).
-- Columns: at (time), run (label), so_far (USD).
-- Order: at, run
-- Reads: agents
WITH
    chosen AS
    (
        SELECT run_id, cost_usd FROM incidents
        WHERE run_id != '' AND NOT backfill AND (state = 'open' OR '${incident:percentencode}' != '') AND @filter(team, agent, incident)
        ORDER BY cost_usd DESC, run_id
        LIMIT 8
    )
SELECT b.at AS at, b.run_id AS run, toFloat64(sum(b.cost) OVER (PARTITION BY b.run_id ORDER BY b.at ASC)) AS so_far
FROM
(
    SELECT $__timeInterval(time) AS at, run_id, sum(rated_cost_usd) AS cost
    FROM rated_calls
    WHERE $__timeFilter_ms(time) AND run_id IN (SELECT run_id FROM chosen)
    GROUP BY at, run_id
) AS b
ORDER BY at, run
