-- What ratings changed in months that were closed without them; columns and parameters as in `closing_late`, {ratings}
-- being the ids that each cut knows. A rating becomes known when it is finished. No tokens: those were counted.
SELECT
    toDate(a.hour) AS day, a.tenant_id, a.team_id, a.tier, a.provider_name, a.request_model,
    toStartOfMonth(r.finished_at) AS known,
    arrayFirstIndex(ids -> has(ids, a.rating_id), {ratings:Array(Array(String))}) AS first_cut,
    0 AS calls, 0 AS input_tokens, 0 AS output_tokens, 0 AS cache_read_input_tokens, 0 AS cache_write_input_tokens,
    0 AS reasoning_output_tokens,
    sum(a.adjustment_usd) AS cost_usd,
    -sum(a.priced_change) AS unpriced,
    0 AS errors
FROM adjustments AS a
INNER JOIN (SELECT id, finished_at FROM ratings WHERE id IN (SELECT rating_id FROM settled_ratings)) AS r ON r.id = a.rating_id
WHERE has({months:Array(Date)}, toStartOfMonth(a.hour))
    AND first_cut > indexOf({months:Array(Date)}, toStartOfMonth(a.hour))
GROUP BY day, a.tenant_id, a.team_id, a.tier, a.provider_name, a.request_model, known, first_cut
ORDER BY day, a.tenant_id, a.team_id, a.tier, a.provider_name, a.request_model, known, first_cut
