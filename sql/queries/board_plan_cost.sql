-- What plans cost by day of use (UTC): fees by the stated rule, overage, calls without a plan at list price. Idle capacity
-- stands on the last day of its period.
-- Columns: day (time), plan (label), spend (USD).
-- Order: day, plan
-- Reads: plans
SELECT
    toDateTime(f.day, 'UTC') AS day,
    if(f.kind = 'idle', concat(f.plan, ' (idle)'), if(f.plan = '', '(no plan)', f.plan)) AS plan,
    toFloat64(sum(f.cost_usd)) AS spend
FROM plan_figures AS f
WHERE f.day >= toDate(toTimeZone($__fromTime, 'UTC')) AND f.day <= toDate(toTimeZone($__toTime, 'UTC')) AND @filter(team, tier, model)
GROUP BY day, plan
ORDER BY day, plan
