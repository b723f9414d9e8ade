-- All closings and reopenings that count, the order of time. Columns: month, number, change, id, at, by, reason, keys, nexts,
-- ratings, accepted_gaps, calls, unpriced, cost_usd, corrections_usd, plans_usd, digest.
SELECT
    month, number, change, id, at, by, reason, keys, nexts, ratings, accepted_gaps, calls, unpriced, cost_usd, corrections_usd,
    plans_usd, digest
FROM settled_closings
ORDER BY at, month, number
