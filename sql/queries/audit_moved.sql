-- Calls that were sent on to their own partition and have fewer rows there than were sent.
-- Columns: source, id, moved, arrived, places of the moved rows.
SELECT
    source, id, countIf(outcome = 'moved') AS moved, countIf(outcome IN ('call', 'duplicate')) AS arrived,
    groupArrayIf(3)((incarnation, partition, offset, item), outcome = 'moved') AS places
FROM intake
WHERE outcome IN ('call', 'duplicate', 'moved') AND identity % {shares:UInt64} = {share:UInt64} AND identity IN
(
    SELECT identity FROM intake WHERE outcome = 'moved' AND identity % {shares:UInt64} = {share:UInt64}
)
GROUP BY source, id
HAVING moved > arrived
ORDER BY source, id
LIMIT 20
