-- When partitions changed hands: the newest 100 events. A new incarnation says that the topic was made again.
-- Columns: at (time), partition (count), epoch (count), event (text), worker (text), incarnation (count), start_offset (count), note (text).
-- Order: at desc
-- Reads: epochs
SELECT at, partition, epoch, toString(event) AS event, worker, incarnation, start_offset, note
FROM epochs
ORDER BY at DESC, partition, epoch DESC
LIMIT 100
