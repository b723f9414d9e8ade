-- Partitions whose position by the projection by_position differs from the largest offset of the rows themselves.
SELECT
    partition, incarnation,
    maxIf(u.last, u.projected) AS projected_last, maxIf(u.last, NOT u.projected) AS last,
    sumIf(u.rows, u.projected) AS projected_rows, sumIf(u.rows, NOT u.projected) AS rows
FROM
(
    SELECT 1 AS projected, partition, incarnation, max(through) AS last, count() AS rows
    FROM intake GROUP BY partition, incarnation
    UNION ALL
    SELECT 0, partition, incarnation, max(through), count()
    FROM intake WHERE NOT ignore(offset) GROUP BY partition, incarnation
) AS u
GROUP BY partition, incarnation
HAVING maxIf(u.last, u.projected) != maxIf(u.last, NOT u.projected) OR sumIf(u.rows, u.projected) != sumIf(u.rows, NOT u.projected)
ORDER BY incarnation, partition
