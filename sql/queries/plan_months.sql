-- Months with calls and what their plans depend on, from the hourly sums: a month's row changes when any of its figures may.
SELECT
    toUnixTimestamp(toDateTime(toStartOfMonth(s.hour), 'UTC')) AS month,
    concat(
        toString(sum(s.calls)), ' ', toString(sum(s.input_tokens) + sum(s.output_tokens)), ' ',
        toString(ifNull(sum(s.cost_usd), 0)), ' ', toString(sum(s.unpriced))
    ) AS basis
FROM spend_by_hour AS s
GROUP BY month
ORDER BY month
