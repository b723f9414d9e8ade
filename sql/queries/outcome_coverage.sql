-- How much of what happened in [first, end) (epoch ms) was judged: runs by their calls in it, and calls without a run.
-- Columns: runs, judged, calls, calls_without_run, calls_judged, verdicts_without_calls, evaluators.
WITH
    heard AS (SELECT DISTINCT o.run_id AS run_id FROM outcomes AS o WHERE {evaluator:String} = '' OR o.evaluator = {evaluator:String}),
    seen AS
    (
        SELECT c.run_id AS run_id, count() AS calls, c.run_id IN (SELECT run_id FROM heard) AS judged
        FROM calls AS c
        WHERE c.time >= fromUnixTimestamp64Milli({first:Int64}) AND c.time < fromUnixTimestamp64Milli({end:Int64})
        GROUP BY c.run_id
    )
SELECT
    countIf(s.run_id != '') AS runs,
    countIf(s.run_id != '' AND s.judged) AS judged,
    sum(s.calls) AS calls,
    sumIf(s.calls, s.run_id = '') AS calls_without_run,
    sumIf(s.calls, s.run_id != '' AND s.judged) AS calls_judged,
    (SELECT count() FROM heard WHERE run_id NOT IN (SELECT run_id FROM calls)) AS verdicts_without_calls,
    (SELECT uniqExact(o.evaluator) FROM outcomes AS o WHERE {evaluator:String} = '' OR o.evaluator = {evaluator:String}) AS evaluators
FROM seen AS s
