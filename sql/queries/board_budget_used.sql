-- The eight budgets that are used most, by share of their amount; of a budget for each of something its
-- value comes first: long names are cut at the end.
-- Columns: name (text), used (share).
-- Order: used desc
-- Reads: budgets
SELECT if(value = '', budget, concat(value, ', ', budget)) AS name, toFloat64(spent_usd) / toFloat64(amount_usd) AS used
FROM budget_states
WHERE period_start <= @until AND period_end > @until AND amount_usd > 0 AND @filter(team)
    AND $__conditionalAll(team_id != '', $team)
ORDER BY used DESC, name
LIMIT 8
