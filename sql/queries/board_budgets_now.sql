-- How many budgets there are at the end of the time range, and how many are in trouble. expected: the low end of the
-- forecast is above the amount, so that it will most likely break.
-- Columns: budgets (count), over (count), hard_over (count), burning (count), expected (count), unpriced (calls).
-- Reads: budgets
SELECT
    count() AS budgets, countIf(spent_usd > amount_usd) AS over, countIf(hard AND spent_usd > amount_usd) AS hard_over,
    countIf(burning != '') AS burning, countIf(forecast_low_usd > amount_usd AND spent_usd <= amount_usd) AS expected,
    sum(unpriced) AS unpriced
FROM budget_states
WHERE period_start <= @until AND period_end > @until AND @filter(team)
    AND $__conditionalAll(team_id != '', $team)
