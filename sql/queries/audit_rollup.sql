-- Hours in which the roll-up (projections by_hour, by way of spend_by_hour) differs from the ledger's rows added up.
-- `offset` (of adjustments: `id`) is in no projection that has the rest, so the second half must read the rows themselves. One statement, so that both halves
-- see the same rows while a worker or a rating writes.
SELECT
    hour, tenant_id, team_id, tier, provider_name, request_model,
    sumIf(u.calls, u.rolled) AS rolled_calls, sumIf(u.calls, NOT u.rolled) AS calls,
    sumIf(u.cost_usd, u.rolled) AS rolled_cost_usd, sumIf(u.cost_usd, NOT u.rolled) AS cost_usd
FROM
(
    SELECT
        1 AS rolled, hour, tenant_id, team_id, tier, provider_name, request_model, calls, input_tokens, output_tokens,
        cache_read_input_tokens, cache_write_input_tokens, reasoning_output_tokens,
        ifNull(cost_usd, 0) AS cost_usd, unpriced, errors
    FROM spend_by_hour
    UNION ALL
    SELECT
        0 AS rolled, hour, tenant_id, team_id, tier, provider_name, request_model,
        count() AS calls, sum(i.input_tokens), sum(i.output_tokens),
        sum(i.cache_read_input_tokens), sum(i.cache_write_input_tokens), sum(i.reasoning_output_tokens),
        ifNull(sum(i.cost_usd), 0), count() - count(i.cost_usd), countIf(i.status != 'ok')
    FROM intake AS i
    WHERE i.outcome = 'call' AND NOT ignore(i.offset)
    GROUP BY hour, tenant_id, team_id, tier, provider_name, request_model
    UNION ALL
    SELECT
        0 AS rolled, hour, tenant_id, team_id, tier, provider_name, request_model, 0, 0, 0, 0, 0, 0,
        sum(a.adjustment_usd), -sum(a.priced_change), 0
    FROM adjustments AS a
    WHERE a.rating_id IN (SELECT rating_id FROM settled_ratings) AND NOT ignore(a.id)
    GROUP BY hour, tenant_id, team_id, tier, provider_name, request_model
) AS u
GROUP BY hour, tenant_id, team_id, tier, provider_name, request_model
HAVING sumIf(u.calls, u.rolled) != sumIf(u.calls, NOT u.rolled)
    OR sumIf(u.input_tokens, u.rolled) != sumIf(u.input_tokens, NOT u.rolled)
    OR sumIf(u.output_tokens, u.rolled) != sumIf(u.output_tokens, NOT u.rolled)
    OR sumIf(u.cache_read_input_tokens, u.rolled) != sumIf(u.cache_read_input_tokens, NOT u.rolled)
    OR sumIf(u.cache_write_input_tokens, u.rolled) != sumIf(u.cache_write_input_tokens, NOT u.rolled)
    OR sumIf(u.reasoning_output_tokens, u.rolled) != sumIf(u.reasoning_output_tokens, NOT u.rolled)
    OR sumIf(u.cost_usd, u.rolled) != sumIf(u.cost_usd, NOT u.rolled)
    OR sumIf(u.unpriced, u.rolled) != sumIf(u.unpriced, NOT u.rolled)
    OR sumIf(u.errors, u.rolled) != sumIf(u.errors, NOT u.rolled)
ORDER BY hour
LIMIT 20
