-- Spend, tokens and calls of {first} <= hour < {end} by day (UTC), tenant, team, tier, provider and model.
-- One answer for all tables of a report, so that they add up to the same total; read from the projection by_hour.
SELECT
    toDate(c.hour) AS day, c.tenant_id, c.team_id, c.tier, c.provider_name, c.request_model,
    count() AS calls,
    sum(c.input_tokens) AS input_tokens,
    sum(c.output_tokens) AS output_tokens,
    sum(c.cache_read_input_tokens) AS cache_read_input_tokens,
    sum(c.cache_write_input_tokens) AS cache_write_input_tokens,
    sum(c.reasoning_output_tokens) AS reasoning_output_tokens,
    ifNull(sum(c.cost_usd), 0) AS cost_usd,
    count() - count(c.cost_usd) AS unpriced,
    countIf(c.status != 'ok') AS errors
FROM calls AS c
WHERE c.hour >= {first:DateTime('UTC')} AND c.hour < {end:DateTime('UTC')}
GROUP BY day, c.tenant_id, c.team_id, c.tier, c.provider_name, c.request_model
ORDER BY day, c.tenant_id, c.team_id, c.tier, c.provider_name, c.request_model
