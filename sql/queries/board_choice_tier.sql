-- Tiers to choose from.
-- Columns: tier (text).
-- Order: tier
-- Reads: hours
SELECT tier FROM intake WHERE outcome = 'call' AND @hours GROUP BY tier ORDER BY tier LIMIT 100
