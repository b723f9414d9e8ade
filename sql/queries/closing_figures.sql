-- The frozen figures of one closing: kind, then the columns of `closing_usage`.
SELECT
    kind, day, tenant_id, team_id, tier, provider_name, request_model, calls, input_tokens, output_tokens,
    cache_read_input_tokens, cache_write_input_tokens, reasoning_output_tokens, cost_usd, unpriced, errors
FROM closed_figures
WHERE closing_id = {id:String}
ORDER BY kind, day, tenant_id, team_id, tier, provider_name, request_model
