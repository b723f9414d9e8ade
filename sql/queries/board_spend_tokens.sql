-- Tokens by day (UTC) and class; the classes are disjoint, so they stack.
-- Columns: day (time), uncached_input (tokens), cache_read (tokens), cache_write (tokens), output (tokens).
-- Order: day
-- Reads: hours
SELECT
    toStartOfDay(hour) AS day,
    sum(input_tokens) - sum(cache_read_input_tokens) - sum(cache_write_input_tokens) AS uncached_input,
    sum(cache_read_input_tokens) AS cache_read,
    sum(cache_write_input_tokens) AS cache_write,
    sum(output_tokens) AS output
FROM intake
WHERE outcome = 'call' AND @hours AND @filter(team, tier, model)
GROUP BY day
ORDER BY day
