-- The months (UTC, by event time) that hold calls, newest first, at most 24 of them.
-- Columns: month (its first day), calls.
SELECT toStartOfMonth(c.hour) AS month, count() AS calls
FROM calls AS c
GROUP BY month
ORDER BY month DESC
LIMIT 24
