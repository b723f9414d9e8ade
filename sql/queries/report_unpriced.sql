-- Calls of {first} <= hour < {end} that have no price, by provider, model and reason: count, tokens, first and last call.
SELECT
    c.provider_name, c.request_model, c.rated_price_status,
    count() AS calls,
    sum(c.input_tokens) AS input_tokens,
    sum(c.output_tokens) AS output_tokens,
    min(c.time) AS first_call,
    max(c.time) AS last_call
FROM rated_calls AS c
WHERE c.hour >= {first:DateTime('UTC')} AND c.hour < {end:DateTime('UTC')} AND c.rated_cost_usd IS NULL
GROUP BY c.provider_name, c.request_model, c.rated_price_status
ORDER BY calls DESC, c.provider_name, c.request_model, c.rated_price_status
