-- What became of the records of verdicts at offsets {first} .. {end} - 1 of one partition.
-- Columns: kind, reason, rows.
SELECT kind, reason, uniqExact(offset, item) AS rows
FROM outcome_intake
WHERE partition = {partition:UInt32} AND incarnation = {incarnation:UInt32}
    AND offset >= {first:UInt64} AND offset < {end:UInt64}
GROUP BY kind, reason
ORDER BY kind, reason
