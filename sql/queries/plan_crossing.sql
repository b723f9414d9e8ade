-- As plan_hours, of the one hour {first} in which a period's capacity runs out: each call is inside while the {room} units that
-- were left as the hour began are not used up, in order of time. Units are calls if {by_calls}, else tokens.
SELECT
    toUnixTimestamp(u.hour) AS start, u.tenant_id, u.team_id, u.tier, u.provider_name, u.request_model,
    u.before < {room:UInt64} AS inside,
    count() AS calls, sum(u.tokens) AS tokens, toString(ifNull(sum(u.rated_cost_usd), 0)) AS list_usd,
    countIf(u.rated_cost_usd IS NULL) AS unpriced_calls, sumIf(u.tokens, u.rated_cost_usd IS NULL) AS unpriced_tokens
FROM
(
    SELECT
        c.hour AS hour, c.tenant_id AS tenant_id, c.team_id AS team_id, c.tier AS tier, c.provider_name AS provider_name,
        c.request_model AS request_model, c.rated_cost_usd AS rated_cost_usd, c.input_tokens + c.output_tokens AS tokens,
        if({by_calls:UInt8} = 1, 1, c.input_tokens + c.output_tokens) AS units,
        sum(units) OVER
        (
            ORDER BY c.time, c.incarnation, c.partition, c.offset, c.item
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) - units AS before
    FROM rated_calls AS c
    WHERE c.hour = toDateTime({first:Int64}, 'UTC') AND /* scope */ 1
) AS u
GROUP BY start, u.tenant_id, u.team_id, u.tier, u.provider_name, u.request_model, inside
ORDER BY start, u.tenant_id, u.team_id, u.tier, u.provider_name, u.request_model, inside
