-- As page_groups, for ranges of days: from the roll-up by hour; {by} is one of its columns, {from} and {to} are full hours.
-- Columns: key, calls, errors, unpriced, input_tokens, cached_tokens, output_tokens, cost_usd.
SELECT
    s.{by:Identifier} AS key,
    sum(s.calls) AS calls,
    sum(s.errors) AS errors,
    sum(s.unpriced) AS unpriced,
    sum(s.input_tokens) AS input_tokens,
    sum(s.cache_read_input_tokens) AS cached_tokens,
    sum(s.output_tokens) AS output_tokens,
    ifNull(sum(s.cost_usd), 0) AS cost_usd
FROM spend_by_hour AS s
WHERE s.hour >= fromUnixTimestamp(intDiv({from:Int64}, 1000)) AND s.hour < fromUnixTimestamp(intDiv({to:Int64}, 1000))
GROUP BY key
ORDER BY cost_usd DESC, calls DESC, key
LIMIT {limit:UInt32}
