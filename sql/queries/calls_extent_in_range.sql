-- First and last event time (epoch ms; 0 where there are none) of the calls at offsets {first} to {end} (exclusive) of a
-- partition's life.
SELECT
    if(count() = 0, 0, toUnixTimestamp64Milli(min(time))) AS first_ms,
    if(count() = 0, 0, toUnixTimestamp64Milli(max(time))) AS last_ms
FROM intake
WHERE outcome = 'call' AND partition = {partition:UInt32} AND incarnation = {incarnation:UInt32}
    AND offset >= {first:UInt64} AND offset < {end:UInt64}
