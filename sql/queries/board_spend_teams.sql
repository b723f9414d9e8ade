-- Teams by spend in the time range, beside the equally long stretch before it.
-- Columns: team (text), spend (USD), share (share), previous (USD), change (change), calls (calls), unpriced (calls), error_share (share).
-- Order: spend desc
-- Reads: hours
WITH $__fromTime - ($__toTime - $__fromTime) AS before
SELECT
    h.name AS team,
    toFloat64(sumIf(h.cost, h.inside)) AS spend,
    spend / nullIf(sum(spend) OVER (), 0) AS share,
    toFloat64(sumIf(h.cost, NOT h.inside)) AS previous,
    if(previous > 0, spend / previous - 1, NULL) AS change,
    sumIf(h.rows, h.inside) AS calls,
    sumIf(h.rows - h.priced, h.inside) AS unpriced,
    if(calls > 0, sumIf(h.errors, h.inside) / calls, NULL) AS error_share
FROM
(
    SELECT
        @team AS name, hour > $__fromTime - INTERVAL 1 HOUR AS inside, sum(cost_usd) AS cost, sum(calls) AS rows,
        sum(calls) - sum(unpriced) AS priced, sum(s.errors) AS errors
    FROM spend_by_hour AS s
    WHERE hour > before - INTERVAL 1 HOUR AND hour < $__toTime AND @filter(team, tier, model)
    GROUP BY name, inside
) AS h
GROUP BY team
ORDER BY spend DESC NULLS LAST, team
LIMIT 200
