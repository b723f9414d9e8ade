-- How far the watcher is: partition of the steps topic, its newest word as JSON (`streams.watch.seat`; empty: none yet).
SELECT e.partition AS partition, any(p.said) AS said
FROM (SELECT DISTINCT partition FROM watch_epochs) AS e
LEFT JOIN
(
    SELECT partition, argMax(state, version) AS said FROM watch_state WHERE key = 'progress' GROUP BY partition
) AS p USING (partition)
GROUP BY e.partition
ORDER BY partition
