-- Who was told of runaways in the time range, and whether it got through; newest first. channel is empty where no route of
-- the policies matched.
-- Columns: at (time), severity (text), change (text), title (text), channel (text), state (text), attempts (count), error (text),
-- incident (text).
-- Order: at desc
-- Reads: incidents
SELECT
    n.at AS at, toString(n.severity) AS severity, n.change AS change, n.title AS title, d.channel AS channel,
    if(d.notice = '', 'not planned yet', toString(d.state)) AS state, d.attempts AS attempts, d.error AS error, n.subject AS incident
FROM notices AS n
LEFT JOIN
(
    SELECT
        r.notice AS notice, r.channel AS channel, argMax(r.state, (r.attempt, r.state)) AS state, max(r.attempt) AS attempts,
        argMax(r.error, (r.attempt, r.state)) AS error
    FROM deliveries AS r
    GROUP BY r.notice, r.channel
) AS d ON d.notice = n.id
WHERE $__timeFilter_ms(n.at) AND n.subject IN (SELECT incident_id FROM incidents WHERE @filter(incident))
ORDER BY at DESC, n.id, channel
LIMIT 200
