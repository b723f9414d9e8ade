-- Open runaways, those that page first, then the dearest. cost: since the first abnormal call, priced calls only;
-- before_open: of it before the incident was opened; lasted: from the first abnormal call to the end of the time range;
-- taken: who acknowledged it, and until when it is silent.
-- Columns: severity (text), kind (text), agent (text), team (text), run (text), cost (USD), before_open (USD), calls (calls),
-- lasted (seconds), opened (time), evidence (text), taken (text), incident (text).
-- Reads: incidents
SELECT
    severity, kind, agent_id AS agent, @team AS team, run_id AS run, toFloat64(cost_usd) AS cost,
    toFloat64(cost_before_open_usd) AS before_open, calls, greatest(0, dateDiff('second', first_time, @until)) AS lasted,
    opened_at AS opened, evidence,
    concat(
        acknowledged_by,
        if(isNull(silenced_until) OR silenced_until <= @until, '', formatDateTime(assumeNotNull(silenced_until), ', silent to %d %b %H:%i', 'UTC'))
    ) AS taken,
    incident_id AS incident
FROM incidents
WHERE state = 'open' AND NOT backfill AND @filter(team, agent, incident)
ORDER BY page DESC, cost DESC, incident
LIMIT 200
