-- All verdicts of the ledger, each once, and the runs they are on.
-- Columns: verdicts, runs, runs_without_calls.
SELECT
    count() AS verdicts,
    uniqExact(o.run_id) AS runs,
    uniqExactIf(o.run_id, o.run_id NOT IN (SELECT run_id FROM calls)) AS runs_without_calls
FROM outcomes AS o
