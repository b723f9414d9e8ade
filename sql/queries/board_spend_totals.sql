-- Sums of the time range (whole hours), beside the equally long stretch before it.
-- Columns: spend (USD), previous (USD), change (change), calls (calls), tokens (tokens), cost_per_1k (USD/1k), unpriced (calls),
-- error_share (share).
-- Reads: hours
WITH $__fromTime - ($__toTime - $__fromTime) AS before
SELECT
    toFloat64(sumIf(h.cost, h.inside)) AS spend,
    toFloat64(sumIf(h.cost, NOT h.inside)) AS previous,
    if(previous > 0, spend / previous - 1, NULL) AS change,
    sumIf(h.rows, h.inside) AS calls,
    sumIf(h.all_tokens, h.inside) AS tokens,
    if(sumIf(h.priced_tokens, h.inside) > 0, 1000 * spend / sumIf(h.priced_tokens, h.inside), NULL) AS cost_per_1k,
    sumIf(h.rows - h.priced, h.inside) AS unpriced,
    if(calls > 0, sumIf(h.errors, h.inside) / calls, NULL) AS error_share
FROM
(
    SELECT
        hour > $__fromTime - INTERVAL 1 HOUR AS inside, request_model, sum(cost_usd) AS cost, sum(calls) AS rows, sum(calls) - sum(unpriced) AS priced,
        sum(s.errors) AS errors, sum(input_tokens) + sum(output_tokens) AS all_tokens,
        -- a model without a price has no cost to divide, and its tokens must not thin out the others'
        if(priced > 0, all_tokens, 0) AS priced_tokens
    FROM spend_by_hour AS s
    WHERE hour > before - INTERVAL 1 HOUR AND hour < $__toTime AND @filter(team, tier, model)
    GROUP BY inside, request_model
) AS h
