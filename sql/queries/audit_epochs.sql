-- What each epoch wrote in each life of a partition, beside where it and the next one after it began to read.
-- Columns: partition, incarnation, epoch, rows, first (its first record, gaps left out), last, start (NULL: none is
-- recorded), voided_from (where a later epoch began: from there on its rows are void; NULL: no later one).
SELECT
    w.partition AS partition, w.incarnation AS incarnation, w.epoch AS epoch, w.rows AS rows, w.first AS first, w.last AS last,
    minIf(toNullable(s.start_offset), s.epoch = w.epoch) AS start,
    minIf(toNullable(s.start_offset), s.epoch > w.epoch) AS voided_from
FROM
(
    SELECT
        partition, incarnation, epoch, count() AS rows,
        minIf(toNullable(offset), outcome != 'gap') AS first, max(through) AS last
    FROM intake GROUP BY partition, incarnation, epoch
) AS w
LEFT JOIN (SELECT partition, incarnation, epoch, start_offset FROM epochs WHERE event = 'start') AS s
    ON s.partition = w.partition AND s.incarnation = w.incarnation
GROUP BY partition, incarnation, epoch, rows, first, last
ORDER BY partition, incarnation, epoch
