-- Judged runs that began in the time range, in one row. low, high: 95 % Wilson interval. cost_per_success: cost of all judged
-- runs, the failed ones too, by successes.
-- Columns: judged (runs), success (share), low (share), high (share), cost_per_success (USD), escalated (share), unpriced (calls).
-- Reads: outcomes
SELECT
    count() AS judged, avg(j.success) AS success, @wilson_low AS low, @wilson_high AS high,
    toFloat64(sum(j.cost_usd)) / nullIf(sum(j.success), 0) AS cost_per_success, avg(j.escalated > 0) AS escalated,
    sum(j.unpriced) AS unpriced
FROM judged_runs AS j
WHERE $__timeFilter_ms(j.began_at) AND @filter(team, tier, model, agent)
