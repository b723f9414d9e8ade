-- The next {page} calls before {end} (epoch ms) in (time, id, source) order, after the call ({at}, {id}, {source}).
-- Columns: the fields of `streams.recheck.read.LedgerCall` in its order; what a router did not say is NULL.
SELECT
    c.id, toUnixTimestamp64Milli(c.time) AS at, c.agent_id, c.request_model, c.input_tokens, c.output_tokens,
    nullIf(c.run_id, '') AS run, nullIf(c.parent_agent_id, '') AS parent, nullIf(c.provider_name, '') AS provider,
    nullIf(c.status, '') AS ended, nullIf(c.attempt, 0) AS attempts, nullIf(c.retry_of, '') AS retried,
    nullIf(c.request_fingerprint, '') AS fingerprint,
    toInt64(toDecimal128(c.cost_usd, 12) * 1000000000000) AS cost_pico,
    c.source
FROM calls AS c
WHERE c.time >= fromUnixTimestamp64Milli({at:Int64}, 'UTC') AND c.time < fromUnixTimestamp64Milli({end:Int64}, 'UTC')
    AND (c.time, c.id, c.source) > (fromUnixTimestamp64Milli({at:Int64}, 'UTC'), {id:String}, {source:String})
ORDER BY c.time, c.id, c.source
LIMIT {page:UInt32}
