-- The view spend_by_hour once more: whoever asks it for `unpriced` alone is answered from the projections, too.

-- Filter on `hour`: it reaches both halves, and both are read from a projection.
CREATE OR REPLACE VIEW spend_by_hour AS
SELECT
    hour, tenant_id, team_id, tier, provider_name, request_model,
    sum(u.calls) AS calls,
    sum(u.input_tokens) AS input_tokens,
    sum(u.output_tokens) AS output_tokens,
    sum(u.cache_read_input_tokens) AS cache_read_input_tokens,
    sum(u.cache_write_input_tokens) AS cache_write_input_tokens,
    sum(u.reasoning_output_tokens) AS reasoning_output_tokens,
    if(sum(u.calls) = sum(u.unpriced), NULL, sum(u.cost_usd)) AS cost_usd,
    sum(u.unpriced) AS unpriced,
    sum(u.errors) AS errors
FROM
(
    SELECT
        hour, tenant_id, team_id, tier, provider_name, request_model,
        count() AS calls,
        sum(i.input_tokens) AS input_tokens,
        sum(i.output_tokens) AS output_tokens,
        sum(i.cache_read_input_tokens) AS cache_read_input_tokens,
        sum(i.cache_write_input_tokens) AS cache_write_input_tokens,
        sum(i.reasoning_output_tokens) AS reasoning_output_tokens,
        sum(i.cost_usd) AS cost_usd,
        -- ignore (it is 0): without its sum beside it, count(cost_usd) is answered from the NULL map, by a scan
        toInt64(count() - count(i.cost_usd) + ignore(cost_usd)) AS unpriced,
        countIf(i.status != 'ok') AS errors
    FROM intake AS i
    WHERE i.outcome = 'call'
    GROUP BY hour, tenant_id, team_id, tier, provider_name, request_model
    UNION ALL
    SELECT
        hour, tenant_id, team_id, tier, provider_name, request_model, 0, 0, 0, 0, 0, 0,
        toNullable(sum(a.adjustment_usd)), -sum(a.priced_change) + ignore(sum(a.adjustment_usd)), 0
    FROM adjustments AS a
    WHERE a.rating_id IN (SELECT rating_id FROM settled_ratings)
    GROUP BY hour, tenant_id, team_id, tier, provider_name, request_model
) AS u
GROUP BY hour, tenant_id, team_id, tier, provider_name, request_model;
