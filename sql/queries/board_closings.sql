-- Months that are closed, newest first: frozen cost of the month's own calls, corrections of earlier months in it.
-- Columns: month (text), closed_at (time), by (text), reason (text), calls (calls), unpriced (calls), cost (USD), corrections (USD),
-- digest (text).
-- Order: month desc
-- Reads: closings
SELECT
    formatDateTime(m.month, '%Y-%m') AS month, at AS closed_at, by, reason, calls, unpriced, toFloat64(cost_usd) AS cost,
    toFloat64(corrections_usd) AS corrections, digest
FROM closed_months AS m
ORDER BY month DESC
LIMIT 36
