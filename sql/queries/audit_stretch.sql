-- Are the positions {first} .. {end} - 1 of one partition dense and unique? {after}: the last position before them.
-- One row: records, rows, positions by outcome, the last position, and for each kind of fault its number and examples.
SELECT
    count() AS records,
    sum(r.rows) AS rows,
    sum(r.calls) AS calls, sum(r.duplicates) AS duplicates, sum(r.rejects) AS rejects,
    sum(r.moved) AS moved, sum(r.gaps) AS gaps, sum(r.items) AS positions,
    max(r.through) AS last,
    countIf(r.rows != r.items) AS doubled, groupArrayIf(5)(r.offset, r.rows != r.items) AS doubled_at,
    countIf(r.items != r.wanted) AS torn, groupArrayIf(5)(r.offset, r.items != r.wanted) AS torn_at,
    countIf(toInt64(r.offset) > r.before + 1) AS holes,
    groupArrayIf(5)((r.before + 1, toInt64(r.offset) - 1), toInt64(r.offset) > r.before + 1) AS holes_at,
    countIf(toInt64(r.offset) < r.before + 1) AS overlaps,
    groupArrayIf(5)(r.offset, toInt64(r.offset) < r.before + 1) AS overlaps_at
FROM
(
    SELECT *, lagInFrame(toInt64(through), 1, {after:Int64}) OVER (ORDER BY offset ASC) AS before
    FROM
    (
        SELECT
            offset, max(p.upto) AS through, sum(p.rows) AS rows, count() AS items, max(p.item) + 1 AS wanted,
            sum(p.calls) AS calls, sum(p.duplicates) AS duplicates, sum(p.rejects) AS rejects,
            sum(p.moved) AS moved, sum(p.gaps) AS gaps
        FROM
        (
            SELECT
                offset, item, max(through) AS upto, count() AS rows,
                countIf(outcome = 'call') AS calls, countIf(outcome = 'duplicate') AS duplicates,
                countIf(outcome = 'reject') AS rejects, countIf(outcome = 'moved') AS moved, countIf(outcome = 'gap') AS gaps
            FROM intake
            WHERE partition = {partition:UInt32} AND incarnation = {incarnation:UInt32}
                AND offset >= {first:UInt64} AND offset < {end:UInt64}
            GROUP BY offset, item
        ) AS p
        GROUP BY offset
    )
) AS r
