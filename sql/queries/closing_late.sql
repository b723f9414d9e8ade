-- Calls of closed months that came after their month was closed, as `closing_usage` groups them, and by the month in
-- which they came (known) and by `first_cut`: the first of all cuts, in the order of time, that knew them. The cuts are
-- those of the closings of {months}, and the present one; {nexts}: for each part of the log in {keys}, each cut's first
-- offset beyond; {since_ms}: nothing before can be late, in epoch milliseconds of ingestion. Costs are as metered.
SELECT
    toDate(i.hour) AS day, i.tenant_id, i.team_id, i.tier, i.provider_name, i.request_model,
    toStartOfMonth(i.ingested_at) AS known,
    arrayFirstIndex(
        next -> i.offset < next,
        {nexts:Array(Array(UInt64))}[transform(
            bitShiftLeft(toUInt64(i.incarnation), 32) + i.partition,
            {keys:Array(UInt64)}, arrayEnumerate({keys:Array(UInt64)}), toUInt32(0))]) AS first_cut,
    count() AS calls,
    sum(i.input_tokens) AS input_tokens,
    sum(i.output_tokens) AS output_tokens,
    sum(i.cache_read_input_tokens) AS cache_read_input_tokens,
    sum(i.cache_write_input_tokens) AS cache_write_input_tokens,
    sum(i.reasoning_output_tokens) AS reasoning_output_tokens,
    ifNull(sum(i.cost_usd), 0) AS cost_usd,
    toInt64(count() - count(i.cost_usd)) AS unpriced,
    countIf(i.status != 'ok') AS errors
FROM intake AS i
WHERE i.outcome = 'call'
    AND i.ingested_at >= fromUnixTimestamp64Milli({since_ms:Int64}, 'UTC')
    AND has({months:Array(Date)}, toStartOfMonth(i.hour))
    AND first_cut > indexOf({months:Array(Date)}, toStartOfMonth(i.hour))
GROUP BY day, i.tenant_id, i.team_id, i.tier, i.provider_name, i.request_model, known, first_cut
ORDER BY day, i.tenant_id, i.team_id, i.tier, i.provider_name, i.request_model, known, first_cut
