-- Every call of the run in order of time, at most 1,000; without a run, the newest 1,000 of the time range.
-- Columns: at (time), run (text), agent (text), model (text), cost (USD/call), input (tokens), cached (tokens), output (tokens),
-- status (text), decision (text), policy (text), escalated_from (text), tier (text), reason (text), price (text), attempt (count),
-- latency (ms), id (text), place (text).
-- Order: at desc
-- Reads: agents
SELECT
    time AS at, run_id AS run, agent_id AS agent, request_model AS model, toFloat64(rated_cost_usd) AS cost,
    input_tokens AS input, cache_read_input_tokens AS cached, output_tokens AS output, status, decision, policy_id AS policy,
    escalated_from, tier, route_reason AS reason, rated_price_status AS price, attempt, latency_ms AS latency, id,
    concat(toString(incarnation), '/', toString(partition), '/', toString(offset), '/', toString(item)) AS place
FROM rated_calls
WHERE @hours AND $__timeFilter_ms(time) AND @filter(team, agent, run)
ORDER BY at DESC, id
LIMIT 1000
