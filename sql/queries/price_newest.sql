-- The hour of the newest call (epoch seconds; 0 when there is none), from the projection by_hour.
SELECT toUnixTimestamp(max(hour)) AS newest, count() AS calls
FROM intake
WHERE outcome = 'call'
