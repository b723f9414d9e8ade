-- Seconds since the ledger was last written to.
-- Columns: age (seconds).
-- Reads: parts
SELECT greatest(0, dateDiff('second', max(ingested_at), $__toTime)) AS age FROM intake
