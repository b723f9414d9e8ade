-- Plans of which figures are kept for months from {first:String} to {last:String}, their first days.
SELECT DISTINCT plan
FROM plan_periods
WHERE plan != '' AND month >= toDate({first:String}) AND month <= toDate({last:String})
ORDER BY plan
