-- Copies of calls that the ledger does not have, of one share of identities. A reject that was read again has no id.
-- Columns: source, id, rows, places.
SELECT source, id, count() AS rows, groupArray(3)((incarnation, partition, offset, item)) AS places
FROM intake
WHERE outcome = 'duplicate' AND id != '' AND identity % {shares:UInt64} = {share:UInt64} AND identity NOT IN
(
    SELECT identity FROM intake WHERE outcome = 'call' AND identity % {shares:UInt64} = {share:UInt64}
)
GROUP BY source, id
ORDER BY source, id
LIMIT 20
