-- Rated spend in the event time [{from}, {to}) (epoch ms) by one column {by}, the first {limit} by spend. {ingested} as in page_trend.
-- Columns: key, calls, errors, unpriced, input_tokens, cached_tokens, output_tokens, cost_usd.
SELECT
    c.{by:Identifier} AS key,
    count() AS calls,
    countIf(c.status != 'ok') AS errors,
    count() - count(c.rated_cost_usd) AS unpriced,
    sum(c.input_tokens) AS input_tokens,
    sum(c.cache_read_input_tokens) AS cached_tokens,
    sum(c.output_tokens) AS output_tokens,
    ifNull(sum(c.rated_cost_usd), 0) AS cost_usd
FROM rated_calls AS c
WHERE c.time >= fromUnixTimestamp64Milli({from:Int64}, 'UTC') AND c.time < fromUnixTimestamp64Milli({to:Int64}, 'UTC')
    AND c.ingested_at >= fromUnixTimestamp64Milli({ingested:Int64}, 'UTC')
GROUP BY key
ORDER BY cost_usd DESC, calls DESC, key
LIMIT {limit:UInt32}
