-- The first and the last call of the ledger, epoch ms; 0 and 0 without calls.
-- Columns: first_ms, last_ms.
SELECT
    if(count() = 0, 0, toUnixTimestamp64Milli(min(c.time))) AS first_ms,
    if(count() = 0, 0, toUnixTimestamp64Milli(max(c.time))) AS last_ms
FROM calls AS c
