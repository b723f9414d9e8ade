-- The four questions of the decision, as the latest estimate answers them, and the recommendation.
-- Columns: question (text), answer (text), why (text).
-- Reads: figures
SELECT line.1 AS question, line.2 AS answer, line.3 AS why
FROM
(
    SELECT arrayJoin(arrayConcat(arrayZip(questions, answers, reasons), [('Recommendation', toString(recommendation), why)])) AS line
    FROM
    (
        SELECT questions, answers, reasons, recommendation, why
        FROM savings_estimates
        WHERE day >= toDate($__fromTime) AND day <= toDate($__toTime)
        ORDER BY day DESC
        LIMIT 1
    )
)
