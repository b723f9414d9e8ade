-- Time of the last call (epoch ms); {hour}: the last hour that has any, in epoch ms.
SELECT toUnixTimestamp64Milli(max(c.time)) AS newest
FROM calls AS c
WHERE c.time >= fromUnixTimestamp64Milli({hour:Int64}, 'UTC')
