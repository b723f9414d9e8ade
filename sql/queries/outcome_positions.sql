-- How far the ledger holds each partition of the log of verdicts, in the partition's latest life (incarnation).
-- Columns: partition, incarnation, next (the first offset that is not in the ledger).
SELECT partition, max(p.incarnation) AS incarnation, argMax(p.last, p.incarnation) + 1 AS next
FROM (SELECT partition, incarnation, max(offset) AS last FROM outcome_intake GROUP BY partition, incarnation) AS p
GROUP BY partition
ORDER BY partition
