-- The budgets of the periods that hold the end of the time range, the most used first. left is below zero when overspent;
-- low and high: 80 % interval of the forecast; exhausted: when the amount is (or was) spent, empty if not in this period;
-- team: empty for a budget that is not of one team.
-- Columns: budget (text), value (text), period (text), kind (text), team (text), used (share), amount (USD), spent (USD), left (USD),
-- forecast (USD), low (USD), high (USD), exhausted (time), burning (text), pace (share), unpriced (calls).
-- Order: used desc
-- Reads: budgets
SELECT
    budget, value, toString(period) AS period, if(hard, 'hard', 'soft') AS kind, team_id AS team,
    toFloat64(spent_usd) / nullIf(toFloat64(amount_usd), 0) AS used, toFloat64(amount_usd) AS amount, toFloat64(spent_usd) AS spent,
    toFloat64(remaining_usd) AS left, toFloat64(forecast_usd) AS forecast, toFloat64(forecast_low_usd) AS low,
    toFloat64(forecast_high_usd) AS high, exhausts_at AS exhausted, burning, burn_long AS pace, unpriced
FROM budget_states
WHERE period_start <= @until AND period_end > @until AND @filter(team)
    AND $__conditionalAll(team_id != '', $team)
ORDER BY used DESC NULLS LAST, budget, value
LIMIT 200
