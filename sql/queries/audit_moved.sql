-- Calls that were sent on to their own partition and have fewer rows there than were sent. A call is sent on once for
-- each number of partitions that the topic had: the second time, it comes from where it was sent the first time.
-- Columns: source, id, moved, arrived, places of the moved rows.
SELECT
    source, id, arrayMax(mapValues(sumMapIf(map(partitions, toUInt64(1)), outcome = 'moved'))) AS moved,
    countIf(outcome IN ('call', 'duplicate')) AS arrived,
    groupArrayIf(3)((incarnation, partition, offset, item), outcome = 'moved') AS places
FROM intake
LEFT JOIN
(
    SELECT partition, epoch, max(partitions) AS partitions FROM epochs WHERE event = 'start' GROUP BY partition, epoch
) AS e USING (partition, epoch)
WHERE outcome IN ('call', 'duplicate', 'moved') AND identity % {shares:UInt64} = {share:UInt64} AND identity IN
(
    SELECT identity FROM intake WHERE outcome = 'moved' AND identity % {shares:UInt64} = {share:UInt64}
)
GROUP BY source, id
HAVING moved > arrived
ORDER BY source, id
LIMIT 20
