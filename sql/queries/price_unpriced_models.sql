-- Models with calls without a price in hours from {first} to {last} (epoch seconds), from the hourly sums: calls, those without a
-- price, and the tokens of hours with such calls.
SELECT
    s.provider_name, s.request_model, sum(s.calls) AS calls, sum(s.unpriced) AS unpriced,
    sumIf(s.input_tokens + s.output_tokens, s.unpriced > 0) AS tokens
FROM spend_by_hour AS s
WHERE s.hour >= toDateTime({first:Int64}, 'UTC') AND s.hour <= toDateTime({last:Int64}, 'UTC')
GROUP BY s.provider_name, s.request_model
HAVING unpriced > 0
ORDER BY s.provider_name, s.request_model
