-- Models to choose from: those asked for in the time range.
-- Columns: model (text).
-- Order: model
-- Reads: hours
SELECT request_model AS model FROM intake WHERE outcome = 'call' AND @hours GROUP BY model ORDER BY model LIMIT 1000
