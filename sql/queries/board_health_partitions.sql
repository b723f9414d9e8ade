-- How far the ledger holds each partition of the log, when it last took something from it, and who owns it.
-- Columns: partition (count), incarnation (count), last_offset (count), rows (rows), newest_call (time), silent (seconds), owner (text),
-- epoch (count).
-- Order: partition, incarnation
-- Reads: positions
SELECT
    i.partition AS partition, i.incarnation AS incarnation, i.last AS last_offset, i.rows AS rows, i.newest AS newest_call,
    greatest(0, dateDiff('second', i.witness.3, $__toTime)) AS silent, e.owner AS owner, e.owned AS epoch
FROM
(
    SELECT
        partition, incarnation, max(through) AS last, argMax((item, id, arrived_at, outcome), (through, item)) AS witness,
        maxIf(time, outcome = 'call') AS newest, count() AS rows
    FROM intake GROUP BY partition, incarnation
) AS i
LEFT JOIN (SELECT partition, argMax(worker, epoch) AS owner, max(epoch) AS owned FROM epochs GROUP BY partition) AS e USING (partition)
ORDER BY partition, incarnation
