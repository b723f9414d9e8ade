-- Every call of the run in order of time, at most 1,000; without a run, the newest 1,000 of the time range.
-- Columns: at (time), run (text), agent (text), model (text), tier (text), status (text), decision (text), escalated_from (text),
-- reason (text), policy (text), attempt (count), input (tokens), cached (tokens), output (tokens), cost (USD), price (text),
-- latency (ms), id (text), place (text).
-- Order: at desc
-- Reads: agents
SELECT
    time AS at, run_id AS run, agent_id AS agent, request_model AS model, tier, status, decision, escalated_from,
    route_reason AS reason, policy_id AS policy, attempt, input_tokens AS input, cache_read_input_tokens AS cached,
    output_tokens AS output, toFloat64(cost_usd) AS cost, price_status AS price, latency_ms AS latency, id,
    concat(toString(incarnation), '/', toString(partition), '/', toString(offset), '/', toString(item)) AS place
FROM intake
WHERE outcome = 'call' AND $__timeFilter_ms(time) AND @filter(team, agent, run)
ORDER BY at DESC, id
LIMIT 1000
