-- Calls of {first} <= hour < {end} by day (UTC), tenant, team, tier, provider and model, as they were at a cut: rows whose
-- offset lies before the one in {nexts} of their part of the log in {keys} (incarnation * 2^32 + partition), with the
-- adjustments of {ratings}. Reads the ledger's rows of that time; cost_usd is 0 where nothing has a price.
SELECT
    u.day, u.tenant_id, u.team_id, u.tier, u.provider_name, u.request_model,
    sum(u.calls) AS calls,
    sum(u.input_tokens) AS input_tokens,
    sum(u.output_tokens) AS output_tokens,
    sum(u.cache_read_input_tokens) AS cache_read_input_tokens,
    sum(u.cache_write_input_tokens) AS cache_write_input_tokens,
    sum(u.reasoning_output_tokens) AS reasoning_output_tokens,
    sum(u.cost_usd) AS cost_usd,
    sum(u.unpriced) AS unpriced,
    sum(u.errors) AS errors
FROM
(
    SELECT
        toDate(i.hour) AS day, i.tenant_id AS tenant_id, i.team_id AS team_id, i.tier AS tier,
        i.provider_name AS provider_name, i.request_model AS request_model,
        toInt64(count()) AS calls,
        toInt64(sum(i.input_tokens)) AS input_tokens,
        toInt64(sum(i.output_tokens)) AS output_tokens,
        toInt64(sum(i.cache_read_input_tokens)) AS cache_read_input_tokens,
        toInt64(sum(i.cache_write_input_tokens)) AS cache_write_input_tokens,
        toInt64(sum(i.reasoning_output_tokens)) AS reasoning_output_tokens,
        ifNull(sum(i.cost_usd), 0) AS cost_usd,
        toInt64(count() - count(i.cost_usd)) AS unpriced,
        toInt64(countIf(i.status != 'ok')) AS errors
    FROM intake AS i
    WHERE i.outcome = 'call' AND i.hour >= {first:DateTime('UTC')} AND i.hour < {end:DateTime('UTC')}
        AND i.offset < transform(
            bitShiftLeft(toUInt64(i.incarnation), 32) + i.partition,
            {keys:Array(UInt64)}, {nexts:Array(UInt64)}, toUInt64(0))
    GROUP BY day, tenant_id, team_id, tier, provider_name, request_model
    UNION ALL
    SELECT
        toDate(a.hour) AS day, a.tenant_id, a.team_id, a.tier, a.provider_name, a.request_model,
        0, 0, 0, 0, 0, 0, sum(a.adjustment_usd), -sum(a.priced_change), 0
    FROM adjustments AS a
    WHERE a.hour >= {first:DateTime('UTC')} AND a.hour < {end:DateTime('UTC')} AND has({ratings:Array(String)}, a.rating_id)
    GROUP BY day, a.tenant_id, a.team_id, a.tier, a.provider_name, a.request_model
) AS u
GROUP BY u.day, u.tenant_id, u.team_id, u.tier, u.provider_name, u.request_model
ORDER BY u.day, u.tenant_id, u.team_id, u.tier, u.provider_name, u.request_model
