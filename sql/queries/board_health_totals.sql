-- What became of everything that arrived in the time range (by event time, whole hours).
-- Columns: rows (rows), calls (calls), reject_share (share), duplicate_share (share), unpriced (calls),
-- spend (USD).
-- Reads: hours
SELECT
    sum(o.rows) AS rows, sumIf(o.rows, o.outcome = 'call') AS calls,
    sumIf(o.rows, o.outcome = 'reject') / nullIf(rows, 0) AS reject_share,
    sumIf(o.rows, o.outcome = 'duplicate') / nullIf(rows, 0) AS duplicate_share,
    sumIf(o.rows - o.priced, o.outcome = 'call') AS unpriced,
    toFloat64(sumIf(o.cost, o.outcome = 'call')) AS spend
FROM
(
    SELECT outcome, count() AS rows, count(cost_usd) AS priced, sum(cost_usd) AS cost FROM intake
    WHERE outcome IN ('call', 'duplicate', 'reject') AND @hours
    GROUP BY outcome
) AS o
