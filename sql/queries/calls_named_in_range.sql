-- Which of the calls {ids} stand at offsets {first} to {end} (exclusive) of a partition's life: id, event time (epoch ms).
SELECT id, toUnixTimestamp64Milli(time) AS at
FROM intake
WHERE outcome = 'call' AND partition = {partition:UInt32} AND incarnation = {incarnation:UInt32}
    AND offset >= {first:UInt64} AND offset < {end:UInt64} AND id IN {ids:Array(String)}
