-- Spend by day (UTC) and tier; and as `budget pace` what a day may cost for the month's budget to last, its amount by the days
-- of the month (the budgets of sql/queries/board_spend_budget.sql).
-- Columns: day (time), tier (label), spend (USD).
-- Order: day, tier
-- Reads: hours
SELECT s.day AS day, s.tier AS tier, s.spend AS spend
FROM
(
    SELECT toStartOfDay(hour) AS day, toString(tier) AS tier, toFloat64(sum(cost_usd)) AS spend
    FROM spend_by_hour
    WHERE @hours AND @filter(team, tier, model)
    GROUP BY day, tier
    UNION ALL
    SELECT toDateTime(d.day, 'UTC'), 'budget pace', sum(m.amount) / toDayOfMonth(toLastDayOfMonth(d.day))
    FROM
    (
        SELECT arrayJoin(arrayMap(
            n -> addDays(toDate($__fromTime, 'UTC'), n), range(toUInt64(toDate($__toTime - 1, 'UTC') - toDate($__fromTime, 'UTC') + 1))
        )) AS day
    ) AS d
    INNER JOIN @month_budgets AS m ON m.month = toStartOfMonth(d.day)
    GROUP BY d.day
) AS s
ORDER BY day, tier
