-- Who sends calls twice: repeated calls by team and model.
-- Columns: team (text), model (text), duplicates (rows), share (share).
-- Order: duplicates desc
-- Reads: hours
SELECT
    o.name AS team, o.request_model AS model, sumIf(o.rows, o.outcome = 'duplicate') AS duplicates,
    duplicates / nullIf(sum(o.rows), 0) AS share
FROM
(
    SELECT @team AS name, request_model, outcome, count() AS rows FROM intake
    WHERE outcome IN ('call', 'duplicate') AND @hours
    GROUP BY name, request_model, outcome
) AS o
GROUP BY team, model
HAVING sumIf(o.rows, o.outcome = 'duplicate') > 0
ORDER BY duplicates DESC, team, model
LIMIT 50
