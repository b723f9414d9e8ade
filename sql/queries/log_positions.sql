-- How far the ledger holds each partition of the log, in the partition's current life (incarnation).
-- Columns: partition, incarnation, next (the first offset that is not in the ledger; 0: nothing yet).
SELECT
    e.partition AS partition,
    e.incarnation AS incarnation,
    if(i.rows = 0, 0, i.last + 1) AS next
FROM
(
    SELECT partition, argMax(incarnation, epoch) AS incarnation FROM epochs WHERE event = 'start' GROUP BY partition
) AS e
LEFT JOIN
(
    SELECT partition, incarnation, max(through) AS last, count() AS rows FROM intake GROUP BY partition, incarnation
) AS i USING (partition, incarnation)
ORDER BY partition
