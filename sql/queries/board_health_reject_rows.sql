-- The newest 100 refused calls: where they stand in the log, why, and the beginning of what was sent.
-- Columns: at (time), reason (text), detail (text), partition (count), offset (count), item (count), payload (text).
-- Order: at desc
-- Reads: rejects
SELECT arrived_at AS at, reason, detail, partition, offset, item, substring(payload, 1, 200) AS payload
FROM intake
WHERE agent_id = '' AND outcome = 'reject' AND $__timeFilter_ms(time)
ORDER BY at DESC, partition, offset, item
LIMIT 100
