-- Limits that were crossed in the time range, newest first, whether or not they opened an incident. score: level
-- over its limit, 1 (100 %) is at the limit.
-- Columns: at (time), kind (text), agent (text), run (text), score (share), cost (USD), calls (calls), evidence (text).
-- Order: at desc
-- Reads: incidents
SELECT
    s.time AS at, s.kind AS kind, s.agent_id AS agent, s.run_id AS run, round(s.score, 2) AS score, toFloat64(s.cost_usd) AS cost,
    s.calls AS calls, s.evidence AS evidence
FROM signals AS s FINAL
WHERE $__timeFilter_ms(s.time) AND @filter(agent)
ORDER BY at DESC, agent, kind
LIMIT 200
