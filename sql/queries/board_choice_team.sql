-- Teams to choose from: those with calls in the time range.
-- Columns: team (text).
-- Order: team
-- Reads: hours
SELECT @team AS team FROM intake WHERE outcome = 'call' AND @hours GROUP BY team ORDER BY team LIMIT 1000
