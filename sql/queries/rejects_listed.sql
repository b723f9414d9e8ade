-- Rejects with what is kept of them, newest first, at most {per_reason} of each reason and {most} in all.
-- {since}, {until}: arrival, epoch ms; {reasons}: only these, empty for all; {all}: also those that were sent again;
-- {places}: only these, as incarnation/partition/offset/item, empty for all.
-- Columns: reason, detail, payload, arrived_ms, incarnation, partition, offset, item, retried.
SELECT
    reason, detail, payload, toUnixTimestamp64Milli(arrived_at) AS arrived_ms, incarnation, partition, offset, item,
    (incarnation, partition, offset, item) IN (SELECT incarnation, partition, offset, item FROM reject_retries) AS retried
FROM intake
WHERE outcome = 'reject'
    AND arrived_at >= fromUnixTimestamp64Milli({since:Int64}) AND arrived_at < fromUnixTimestamp64Milli({until:Int64})
    AND (empty({reasons:Array(String)}) OR reason IN {reasons:Array(String)})
    AND (empty({places:Array(String)})
        OR format('{}/{}/{}/{}', toString(incarnation), toString(partition), toString(offset), toString(item))
            IN {places:Array(String)})
    AND ({all:UInt8} OR (incarnation, partition, offset, item) NOT IN
        (SELECT incarnation, partition, offset, item FROM reject_retries))
ORDER BY arrived_at DESC, incarnation DESC, partition, offset DESC, item DESC
LIMIT {per_reason:UInt32} BY reason
LIMIT {most:UInt32}
