-- Plans and months that are kept now, with what they were computed of.
SELECT toUnixTimestamp(toDateTime(p.month, 'UTC')) AS month, p.plan, any(p.basis) AS basis, max(p.run) AS run
FROM plan_periods AS p
GROUP BY p.month, p.plan
ORDER BY p.month, p.plan
