-- How the ledger's calls spread over time: hour (epoch ms, UTC), calls; from the roll-up, oldest first.
SELECT toUInt64(toUnixTimestamp(c.hour)) * 1000 AS start, count() AS calls
FROM calls AS c
GROUP BY c.hour
ORDER BY c.hour
