-- The newest event time in the ledger (epoch ms), 0 when it holds no call. Answered by the projection `by_position`.
SELECT toUnixTimestamp64Milli(max(newest)) AS newest_ms
FROM (SELECT maxIf(time, outcome = 'call') AS newest FROM intake GROUP BY partition, incarnation)
