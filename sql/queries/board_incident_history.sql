-- Every change of the chosen incident, or of all in the time range, newest first: the time line of a runaway.
-- Columns: at (time), change (text), severity (text), kind (text), agent (text), run (text), cost (USD), calls (calls), by (text),
-- reason (text), evidence (text), incident (text).
-- Order: at desc
-- Reads: incidents
SELECT
    e.at AS at, e.change AS change, e.severity AS severity, e.kind AS kind, e.agent_id AS agent, e.run_id AS run,
    toFloat64(e.cost_usd) AS cost, e.calls AS calls, if(e.by = '', 'detector', e.by) AS by, e.reason AS reason, e.evidence AS evidence,
    e.incident_id AS incident
FROM incident_events AS e FINAL
WHERE e.change != 'updated' AND NOT e.backfill AND $__timeFilter_ms(e.at) AND @filter(team, agent, incident)
ORDER BY at DESC, incident, e.number DESC
LIMIT 500
