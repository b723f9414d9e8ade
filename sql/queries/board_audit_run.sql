-- The run in one row; without a run, everything in the time range.
-- Columns: calls (calls), spend (USD), tokens (tokens), agents (count), escalated (calls), denied (calls), unpriced (calls),
-- seconds (seconds).
-- Reads: agents
SELECT
    count() AS calls, toFloat64(sum(rated_cost_usd)) AS spend, sum(input_tokens) + sum(output_tokens) AS tokens, uniq(agent_id) AS agents,
    countIf(escalated_from != '') AS escalated, countIf(decision = 'deny') AS denied, count() - count(rated_cost_usd) AS unpriced,
    if(calls > 0, dateDiff('second', min(time), max(time)), NULL) AS seconds
FROM rated_calls
WHERE @hours AND $__timeFilter_ms(time) AND @filter(team, agent, run)
