-- How budgets stand whose period contains {at} (epoch ms), the ones nearest to their amount first. Shares are of the
-- amount and of the period's time. Shared by the boards and `spendstream sql`.
SELECT
    s.budget, s.value, s.period, s.period_start, s.period_end, s.hard, s.scope, s.team_id, s.tier,
    s.amount_usd, s.spent_usd, s.remaining_usd, s.unpriced,
    toFloat64(s.spent_usd) / toFloat64(s.amount_usd) AS spent_share,
    ({at:Int64} - toUnixTimestamp64Milli(s.period_start)) / (toUnixTimestamp64Milli(s.period_end) - toUnixTimestamp64Milli(s.period_start)) AS time_share,
    s.crossed, s.burning, s.burn_long, s.burn_short,
    s.forecast_usd, s.forecast_low_usd, s.forecast_high_usd, s.exhausts_at, s.evaluated_at
FROM budget_states AS s
WHERE s.period_start <= fromUnixTimestamp64Milli({at:Int64}) AND s.period_end > fromUnixTimestamp64Milli({at:Int64})
ORDER BY spent_share DESC, s.budget, s.value
