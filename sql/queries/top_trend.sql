-- Calls, tokens and spend in the event time [{from}, {to}) (epoch ms) in steps of {step} seconds, filtered as `top_groups`, and by run.
-- Columns: at_ms (begin of the step), calls, errors, unpriced, input_tokens, output_tokens, cost_usd.
SELECT
    toUnixTimestamp(toStartOfInterval(c.time, toIntervalSecond({step:UInt32}))) * 1000 AS at_ms,
    count() AS calls,
    countIf(c.status != 'ok') AS errors,
    count() - count(c.rated_cost_usd) AS unpriced,
    sum(c.input_tokens) AS input_tokens,
    sum(c.output_tokens) AS output_tokens,
    ifNull(sum(c.rated_cost_usd), 0) AS cost_usd
FROM rated_calls AS c
WHERE c.time >= fromUnixTimestamp64Milli({from:Int64}, 'UTC') AND c.time < fromUnixTimestamp64Milli({to:Int64}, 'UTC')
    AND c.ingested_at >= fromUnixTimestamp64Milli({ingested:Int64}, 'UTC')
    AND ({agent:String} = '' OR c.agent_id = {agent:String} OR c.parent_agent_id = {agent:String})
    AND ({team:String} = '*' OR c.team_id = {team:String})
    AND ({tier:String} = '*' OR c.tier = {tier:String})
    AND ({model:String} = '*' OR c.request_model = {model:String})
    AND ({run:String} = '*' OR c.run_id = {run:String})
GROUP BY at_ms
ORDER BY at_ms
