-- What the ledger holds now: ids of the ratings that count, and how far each part of the log is in it.
-- One row: ratings, keys (incarnation * 2^32 + partition), nexts (for each key the first offset that is not there).
-- The ratings are read first: each of them is of calls that are there already.
WITH (SELECT groupArray(r.rating_id) FROM (SELECT rating_id FROM settled_ratings ORDER BY number) AS r) AS ratings
SELECT ratings, groupArray(p.key) AS keys, groupArray(p.next) AS nexts
FROM
(
    SELECT bitShiftLeft(toUInt64(incarnation), 32) + partition AS key, max(through) + 1 AS next
    FROM intake
    GROUP BY partition, incarnation
    ORDER BY key
) AS p
