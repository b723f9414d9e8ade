-- As plan_hours, of the minutes that hold {per_minute} tokens or more: each call is inside while there was room left in its
-- minute as it began, in order of time.
SELECT
    toUnixTimestamp(u.hour) AS start, u.tenant_id, u.team_id, u.tier, u.provider_name, u.request_model,
    u.before < {per_minute:UInt64} AS inside,
    count() AS calls, sum(u.units) AS tokens, toString(ifNull(sum(u.rated_cost_usd), 0)) AS list_usd,
    countIf(u.rated_cost_usd IS NULL) AS unpriced_calls, sumIf(u.units, u.rated_cost_usd IS NULL) AS unpriced_tokens
FROM
(
    SELECT
        c.hour AS hour, c.tenant_id AS tenant_id, c.team_id AS team_id, c.tier AS tier, c.provider_name AS provider_name,
        c.request_model AS request_model, c.rated_cost_usd AS rated_cost_usd, c.input_tokens + c.output_tokens AS units,
        sum(units) OVER
        (
            PARTITION BY toStartOfMinute(c.time) ORDER BY c.time, c.incarnation, c.partition, c.offset, c.item
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) - units AS before
    FROM rated_calls AS c
    WHERE c.hour >= toDateTime({first:Int64}, 'UTC') AND c.hour < toDateTime({end:Int64}, 'UTC')
        AND /* scope */ 1
        AND toStartOfMinute(c.time) IN
        (
            SELECT toStartOfMinute(c.time) AS minute
            FROM calls AS c
            WHERE c.hour >= toDateTime({first:Int64}, 'UTC') AND c.hour < toDateTime({end:Int64}, 'UTC')
                AND /* scope */ 1
            GROUP BY minute
            HAVING sum(c.input_tokens + c.output_tokens) >= {per_minute:UInt64}
        )
) AS u
GROUP BY start, u.tenant_id, u.team_id, u.tier, u.provider_name, u.request_model, inside
ORDER BY start, u.tenant_id, u.team_id, u.tier, u.provider_name, u.request_model, inside
