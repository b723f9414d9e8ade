-- Hours with calls of {first} <= hour <= {last} and how many; of {models} only, if any are given. From the projection by_hour.
SELECT toUnixTimestamp(hour) AS start, count() AS calls
FROM intake
WHERE outcome = 'call' AND hour >= toDateTime({first:UInt32}, 'UTC') AND hour <= toDateTime({last:UInt32}, 'UTC')
    AND (empty({models:Array(String)}) OR request_model IN {models:Array(String)})
GROUP BY start
ORDER BY start
