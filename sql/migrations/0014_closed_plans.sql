-- What plans make of a month's list prices (shares of fees, overage, idle capacity) is frozen with it, by team. For such
-- figures `provider_name` is the plan, `request_model` is share or idle, and `cost_usd` is the plan's cost less list price.

ALTER TABLE closed_figures
    MODIFY COLUMN kind Enum8('usage' = 1, 'late' = 2, 'rerated' = 3, 'plan' = 4)
    COMMENT 'the month''s own calls; what was learnt in it of earlier closed months; what plans make of the price of its calls';

ALTER TABLE closing_changes
    ADD COLUMN IF NOT EXISTS plans_usd Decimal(38, 12) DEFAULT 0
    COMMENT 'what plans add to the month''s own calls, or take from them' AFTER corrections_usd;

CREATE OR REPLACE VIEW settled_closings AS
SELECT
    month, number, change, id, at, by, reason, keys, nexts, ratings, accepted_gaps, calls, unpriced, cost_usd, corrections_usd,
    plans_usd, digest
FROM closing_changes
ORDER BY month, number, at, id
LIMIT 1 BY month, number;

CREATE OR REPLACE VIEW closed_months AS
SELECT
    month, number, id, at, by, reason, keys, nexts, ratings, accepted_gaps, calls, unpriced, cost_usd, corrections_usd,
    plans_usd, digest
FROM (SELECT * FROM settled_closings ORDER BY month, number DESC LIMIT 1 BY month)
WHERE change = 'closed';
