-- Calls of {first} <= hour < {end} in groups of one price each: by charge period ({step}: day or hour, UTC), who and what,
-- price, chosen tags ({tags}: their keys), and by the marks between which no price changes: {edges} (epoch ms), {of_day}
-- (ms after midnight), {above} (input tokens). Costs as rated by {ratings}. Without {late}: calls before the one cut in
-- {nexts} (as in `closing_late`); with it: calls of the closed {months} that came after, with the month of their arrival.
-- Reads the ledger's rows of that time. unpriced counts calls whose cost is not known; took_us is the calls' duration.
SELECT
    if({step:String} = 'hour', toDateTime(c.hour, 'UTC'), toDateTime(toStartOfDay(c.hour, 'UTC'), 'UTC')) AS start,
    c.tenant_id, c.team_id, c.tier, c.provider_name, c.request_model, c.response_model,
    if(a.rating_id = '', c.price_status, a.price_status) AS status,
    if(a.rating_id = '', c.price_source, a.price_source) AS source,
    if(a.rating_id = '', c.price_ref, a.price_ref) AS ref,
    if(a.rating_id = '', c.price_from, a.price_from) AS since,
    arrayMap(key -> c.tags[key], {tags:Array(String)}) AS tag_values,
    arrayCount(edge -> toUnixTimestamp64Milli(c.time) >= edge, {edges:Array(Int64)}) AS stretch,
    arrayCount(edge -> toUnixTimestamp64Milli(c.time) % 86400000 >= edge, {of_day:Array(Int64)}) AS part_of_day,
    arrayCount(mark -> c.input_tokens > mark, {above:Array(Int64)}) AS band,
    if({late:UInt8}, toStartOfMonth(c.ingested_at), toDate('1970-01-01')) AS known,
    arrayFirstIndex(
        next -> c.offset < next,
        {nexts:Array(Array(UInt64))}[transform(
            bitShiftLeft(toUInt64(c.incarnation), 32) + c.partition,
            {keys:Array(UInt64)}, arrayEnumerate({keys:Array(UInt64)}), toUInt32(0))]) AS first_cut,
    count() AS calls,
    sum(toInt64(c.input_tokens) - toInt64(c.cache_read_input_tokens) - toInt64(c.cache_write_input_tokens)) AS uncached,
    sum(c.cache_read_input_tokens) AS cache_read,
    sum(c.cache_write_input_tokens) AS cache_write,
    sum(c.output_tokens) AS output,
    sum(toInt64(round(ifNull(c.latency_ms, 0) * 1000))) AS took_us,
    sum(ifNull(c.cost_usd, 0) + a.adjustment_usd) AS cost_usd,
    sum(if(isNotNull(c.cost_usd) + a.priced_change > 0, 0, 1)) AS unpriced,
    toUnixTimestamp64Milli(min(c.time)) AS first_ms,
    min(c.input_tokens) AS least_input
FROM calls AS c
LEFT JOIN
(
    SELECT
        s.incarnation AS incarnation, s.partition AS partition, s.offset AS offset, s.item AS item,
        sum(s.adjustment_usd) AS adjustment_usd,
        sum(s.priced_change) AS priced_change,
        argMax(s.rating_id, r.number) AS rating_id,
        argMax(s.price_status, r.number) AS price_status,
        argMax(s.price_source, r.number) AS price_source,
        argMax(s.price_ref, r.number) AS price_ref,
        argMax(s.price_from, r.number) AS price_from
    FROM adjustments AS s
    INNER JOIN settled_ratings AS r ON r.rating_id = s.rating_id
    WHERE s.hour >= {first:DateTime('UTC')} AND s.hour < {end:DateTime('UTC')} AND has({ratings:Array(String)}, s.rating_id)
    GROUP BY incarnation, partition, offset, item
) AS a ON a.incarnation = c.incarnation AND a.partition = c.partition AND a.offset = c.offset AND a.item = c.item
WHERE c.hour >= {first:DateTime('UTC')} AND c.hour < {end:DateTime('UTC')}
    AND c.ingested_at >= fromUnixTimestamp64Milli({since_ms:Int64}, 'UTC')
    AND if(
        {late:UInt8},
        has({months:Array(Date)}, toStartOfMonth(c.hour))
            AND first_cut > indexOf({months:Array(Date)}, toStartOfMonth(c.hour)),
        first_cut = 1)
GROUP BY
    start, c.tenant_id, c.team_id, c.tier, c.provider_name, c.request_model, c.response_model, status, source, ref, since,
    tag_values, stretch, part_of_day, band, known, first_cut
ORDER BY
    start, c.tenant_id, c.team_id, c.provider_name, c.request_model, c.response_model, c.tier, status, source, ref, since,
    tag_values, stretch, part_of_day, band, known, first_cut
SETTINGS join_use_nulls = 0
