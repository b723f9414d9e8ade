-- What became of the records at offsets {first} .. {end} - 1 of one partition.
-- Columns: outcome, reason, rows, records.
SELECT outcome, reason, count() AS rows, uniqExact(offset) AS records
FROM intake
WHERE partition = {partition:UInt32} AND incarnation = {incarnation:UInt32}
    AND offset >= {first:UInt64} AND offset < {end:UInt64}
GROUP BY outcome, reason
ORDER BY outcome, reason
