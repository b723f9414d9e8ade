-- Was it asked to read a partition again? {partition}; {incarnation}: its newest life with rows, 0 for none.
-- The first row is the newest request. Columns: after_incarnation, start_offset, replay_id, from_time.
SELECT after_incarnation, start_offset, replay_id, toString(from_time) AS from_time
FROM replays
WHERE partition = {partition:UInt32} AND after_incarnation IN ({incarnation:UInt32}, toInt64({incarnation:UInt32}) - 1)
ORDER BY after_incarnation DESC, asked_at DESC
LIMIT 1
