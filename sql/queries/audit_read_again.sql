-- Lives of partitions that were read again as a later life which the ledger has, and from which offset on. What became
-- of a life is said by the request that followed it, or by one that followed a later life and went back as far.
-- Columns: partition, incarnation, start.
SELECT l.partition AS partition, l.incarnation AS incarnation, min(r.start_offset) AS start
FROM (SELECT DISTINCT partition, incarnation FROM intake) AS l
INNER JOIN
(
    SELECT partition, after_incarnation, start_offset FROM replays
    WHERE (partition, after_incarnation + 1) IN (SELECT partition, incarnation FROM intake)
) AS r ON r.partition = l.partition
WHERE r.after_incarnation >= l.incarnation
GROUP BY partition, incarnation
ORDER BY partition, incarnation
