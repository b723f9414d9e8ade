-- The names by which calls of {first} <= hour < {end} were priced. Columns: provider_name, request_model, response_model.
SELECT DISTINCT c.provider_name, c.request_model, c.response_model
FROM calls AS c
WHERE c.hour >= {first:DateTime('UTC')} AND c.hour < {end:DateTime('UTC')}
ORDER BY c.provider_name, c.request_model, c.response_model
