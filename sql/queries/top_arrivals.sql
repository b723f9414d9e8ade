-- What was written to the ledger since {since} (epoch ms of the clock, not of events): the rows' outcomes, how long they
-- took from the broker to the ledger (ms), the last write and the newest event time among them (epoch ms, 0 for none).
-- Parts written earlier are not read.
SELECT
    countIf(outcome = 'call') AS calls,
    countIf(outcome = 'duplicate') AS duplicates,
    countIf(outcome = 'reject') AS rejects,
    countIf(outcome = 'call' AND isNull(i.cost_usd)) AS unpriced,
    sumIf(i.input_tokens, outcome = 'call') AS input_tokens,
    sumIf(i.output_tokens, outcome = 'call') AS output_tokens,
    ifNull(sumIf(i.cost_usd, outcome = 'call'), 0) AS cost_usd,
    quantilesTDigestIf(0.5, 0.99)(toUnixTimestamp64Milli(ingested_at) - toUnixTimestamp64Milli(arrived_at), outcome != 'gap') AS delay_ms,
    if(count() = 0, 0, toUnixTimestamp64Milli(max(ingested_at))) AS last_ms,
    if(calls = 0, 0, toUnixTimestamp64Milli(maxIf(i.time, outcome = 'call'))) AS newest_ms
FROM intake AS i
WHERE ingested_at >= fromUnixTimestamp64Milli({since:Int64}, 'UTC')
