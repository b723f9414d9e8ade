-- What the latest estimate says of each task class and pair of tiers.
-- Columns: task_class (text), from_tier (text), to_tier (text), answer (text), runs_from (runs), runs_to (runs),
-- difference (change), low (change), high (change), runs_needed (runs), saving_low (USD), saving_high (USD).
-- Order: task_class, from_tier, to_tier
-- Reads: figures
SELECT
    if(task_class = '', '(none)', task_class) AS task_class, from_tier, to_tier, state AS answer, runs_from, runs_to,
    difference, low, high, runs_needed, toFloat64(saving_low_usd) AS saving_low, toFloat64(saving_high_usd) AS saving_high
FROM savings_evidence AS e
WHERE day = (SELECT max(day) FROM savings_evidence WHERE day >= toDate($__fromTime) AND day <= toDate($__toTime))
ORDER BY task_class, from_tier, to_tier
