-- What calls are for: task class as the router says, and tier, with shares of calls and of spend.
-- Columns: task_class (text), tier (text), calls (calls), call_share (share), spend (USD), spend_share (share), cost_per_1k (USD/1k).
-- Order: spend desc
-- Reads: agents
SELECT
    if(c.task_class = '', '(none)', c.task_class) AS task_class, c.tier AS tier, count() AS calls,
    calls / nullIf(sum(calls) OVER (), 0) AS call_share, toFloat64(sum(c.rated_cost_usd)) AS spend,
    spend / nullIf(sum(spend) OVER (), 0) AS spend_share,
    1000 * spend / nullIf(sumIf(c.input_tokens + c.output_tokens, isNotNull(c.rated_cost_usd)), 0) AS cost_per_1k
FROM rated_calls AS c
WHERE @hours AND $__timeFilter_ms(time) AND @filter(team, tier, model, agent)
GROUP BY task_class, tier
ORDER BY spend DESC NULLS LAST, task_class, tier
