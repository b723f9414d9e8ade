-- The suspects of one share: calls of one (source, id) within an hour. `same`: rows that agree in time and key too, which
-- makes them copies of one call; without such rows a router used one id for several calls.
SELECT source, id, sum(c.rows) AS rows, max(c.rows) AS same, count() AS different, groupArray(5)(c.place) AS places
FROM
(
    SELECT
        source, id, time, if(run_id = '', agent_id, run_id) AS key, count() AS rows,
        any((incarnation, partition, offset, item)) AS place
    FROM intake
    WHERE outcome = 'call' AND identity % {shares:UInt64} = {share:UInt64} AND (hour, identity) IN
    (
        SELECT hour, identity FROM intake
        WHERE outcome = 'call' AND identity % {shares:UInt64} = {share:UInt64}
        GROUP BY hour, identity
        HAVING count() > 1
    )
    GROUP BY source, id, time, key
) AS c
GROUP BY source, id
ORDER BY same DESC, source, id
LIMIT 1000
