-- Each life (incarnation) of each partition: where its first epoch began, where its rows begin and end, how many.
-- Columns: incarnation, partition, start (NULL: no epoch is recorded), first, last, rows.
SELECT i.incarnation AS incarnation, i.partition AS partition, e.start AS start, i.first AS first, i.last AS last, i.rows AS rows
FROM
(
    SELECT incarnation, partition, min(offset) AS first, max(through) AS last, count() AS rows
    FROM intake GROUP BY incarnation, partition
) AS i
LEFT JOIN
(
    SELECT incarnation, partition, toNullable(min(start_offset)) AS start
    FROM epochs WHERE event = 'start' GROUP BY incarnation, partition
) AS e USING (incarnation, partition)
ORDER BY incarnation, partition
