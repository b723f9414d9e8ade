-- Judged runs by task class and tier of their first call. low, high: 95 % Wilson interval of the success rate.
-- Columns: task_class (text), tier (text), judged (runs), success (share), low (share), high (share), cost_per_success (USD),
-- spend (USD), retries (calls), escalated (share).
-- Order: task_class, tier
-- Reads: outcomes
SELECT
    if(j.task_class = '', '(none)', j.task_class) AS task_class, j.tier AS tier, count() AS judged, avg(j.success) AS success,
    @wilson_low AS low, @wilson_high AS high, toFloat64(sum(j.cost_usd)) / nullIf(sum(j.success), 0) AS cost_per_success,
    toFloat64(sum(j.cost_usd)) AS spend, sum(j.retries) AS retries, avg(j.escalated > 0) AS escalated
FROM judged_runs AS j
WHERE $__timeFilter_ms(j.began_at) AND @filter(team, tier, model, agent)
GROUP BY task_class, tier
ORDER BY task_class, tier
