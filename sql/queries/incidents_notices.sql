-- What was told of {id} and what became of it: notice, change, title, channel (empty: no route), attempts, state, at_ms, error.
SELECT
    n.id AS notice, n.change AS change, n.title AS title, d.channel AS channel, d.attempts AS attempts,
    if(d.state = '', 'recorded', d.state) AS state, toUnixTimestamp64Milli(if(d.state = '', n.recorded_at, d.at)) AS at_ms, d.error AS error
FROM notices AS n
LEFT JOIN
(
    SELECT
        notice, channel, max(attempt) AS attempts, argMax(toString(r.state), (attempt, r.state)) AS state,
        argMax(r.at, (attempt, r.state)) AS at, argMax(r.error, (attempt, r.state)) AS error
    FROM deliveries AS r
    WHERE subject = {id:String}
    GROUP BY notice, channel
) AS d ON d.notice = n.id
WHERE n.subject = {id:String}
ORDER BY n.at, n.id, d.channel
