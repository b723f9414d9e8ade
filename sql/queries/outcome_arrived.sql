-- How many of the records of verdicts at offsets {first} .. {end} - 1 of one partition are in the ledger.
-- Columns: records.
SELECT uniqExact(offset) AS records
FROM outcome_intake
WHERE partition = {partition:UInt32} AND incarnation = {incarnation:UInt32}
    AND offset >= {first:UInt64} AND offset < {end:UInt64}
