-- Spend, tokens and calls of {first} <= hour < {end} by day (UTC), tenant, team, tier, provider and model, as rated now.
-- One answer for all tables of a report, so that they add up to the same total; read from projections by hour.
SELECT
    toDate(s.hour) AS day, s.tenant_id, s.team_id, s.tier, s.provider_name, s.request_model,
    sum(s.calls) AS calls,
    sum(s.input_tokens) AS input_tokens,
    sum(s.output_tokens) AS output_tokens,
    sum(s.cache_read_input_tokens) AS cache_read_input_tokens,
    sum(s.cache_write_input_tokens) AS cache_write_input_tokens,
    sum(s.reasoning_output_tokens) AS reasoning_output_tokens,
    ifNull(sum(s.cost_usd), 0) AS cost_usd,
    sum(s.unpriced) AS unpriced,
    sum(s.errors) AS errors
FROM spend_by_hour AS s
WHERE s.hour >= {first:DateTime('UTC')} AND s.hour < {end:DateTime('UTC')}
GROUP BY day, s.tenant_id, s.team_id, s.tier, s.provider_name, s.request_model
ORDER BY day, s.tenant_id, s.team_id, s.tier, s.provider_name, s.request_model
