-- Ledger rows over time by outcome (event time; for rejects the time they arrived).
-- Columns: at (time), outcome (label), rows (rows).
-- Order: at, outcome
-- Reads: hours
SELECT $__timeInterval(hour) AS at, toString(i.outcome) AS outcome, count() AS rows
FROM intake AS i
WHERE i.outcome != 'gap' AND @hours
GROUP BY at, i.outcome
ORDER BY at, outcome
