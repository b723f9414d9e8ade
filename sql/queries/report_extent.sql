-- What the ledger covers: number of calls, first and last hour (UTC) of event time.
SELECT count() AS calls, min(c.hour) AS first_hour, max(c.hour) AS last_hour
FROM calls AS c
