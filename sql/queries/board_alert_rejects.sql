-- Share of refused calls among everything that arrived in the time range; 0 when fewer than 100 arrived.
-- Columns: reject_share (share).
-- Reads: hours
SELECT if(sum(o.rows) < 100, 0, sumIf(o.rows, o.outcome = 'reject') / sum(o.rows)) AS reject_share
FROM
(
    SELECT outcome, count() AS rows FROM intake
    WHERE outcome IN ('call', 'duplicate', 'reject') AND @hours
    GROUP BY outcome
) AS o
