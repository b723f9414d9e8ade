-- The month's budget that fits the choice of teams, at the end of the time range: with all teams the budget of everything, or
-- the teams' own added up where there is none; else those of the chosen teams. Of several on one thing the one that is used
-- most. Empty without a budget, and when a tier or model is chosen. expected: by the month's end; between: its interval of 80 %
-- in words (those of teams added up: wider than need be).
-- Columns: used (share), expected (USD), between (text).
-- Reads: budgets
SELECT
    sum(m.spent) / nullIf(sum(m.amount), 0) AS used,
    if(count(m.expected) = count(), sum(m.expected), NULL) AS expected,
    multiIf(
        count() = 0, 'no budget',
        count(m.low) < count(), 'not known yet',
        concat('$', toString(round(assumeNotNull(sum(m.low)))), ' to $', toString(round(assumeNotNull(sum(m.high)))))
    ) AS between
FROM @month_budgets AS m
WHERE m.month = toStartOfMonth(@until)
