-- Use of {first} <= hour < {end} (epoch seconds) by hour and whose it is, in minutes that do not fill {per_minute} tokens (0: all):
-- calls, tokens, list price (USD, as text, exact), and what of it has no price. `spendstream plans` puts a plan's calls
-- in place of the scope.
SELECT
    toUnixTimestamp(c.hour) AS start, c.tenant_id, c.team_id, c.tier, c.provider_name, c.request_model,
    count() AS calls, sum(c.input_tokens + c.output_tokens) AS tokens,
    toString(ifNull(sum(c.rated_cost_usd), 0)) AS list_usd,
    countIf(c.rated_cost_usd IS NULL) AS unpriced_calls,
    sumIf(c.input_tokens + c.output_tokens, c.rated_cost_usd IS NULL) AS unpriced_tokens
FROM rated_calls AS c
WHERE c.hour >= toDateTime({first:Int64}, 'UTC') AND c.hour < toDateTime({end:Int64}, 'UTC')
    AND /* scope */ 1
    AND ({per_minute:UInt64} = 0 OR toStartOfMinute(c.time) NOT IN
    (
        SELECT toStartOfMinute(c.time) AS minute
        FROM calls AS c
        WHERE c.hour >= toDateTime({first:Int64}, 'UTC') AND c.hour < toDateTime({end:Int64}, 'UTC')
            AND {per_minute:UInt64} > 0 AND /* scope */ 1
        GROUP BY minute
        HAVING sum(c.input_tokens + c.output_tokens) >= {per_minute:UInt64}
    ))
GROUP BY start, c.tenant_id, c.team_id, c.tier, c.provider_name, c.request_model
ORDER BY start, c.tenant_id, c.team_id, c.tier, c.provider_name, c.request_model
