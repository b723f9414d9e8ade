-- Names that the ledger knows, for a hint: the ones with most calls.
SELECT 'tenant' AS dimension, groupArray(name) AS names FROM (SELECT tenant_id AS name, sum(calls) AS n FROM spend_by_hour WHERE name != '' GROUP BY name ORDER BY n DESC LIMIT 500)
UNION ALL SELECT 'team', groupArray(name) FROM (SELECT team_id AS name, sum(calls) AS n FROM spend_by_hour WHERE name != '' GROUP BY name ORDER BY n DESC LIMIT 500)
UNION ALL SELECT 'model', groupArray(name) FROM (SELECT request_model AS name, sum(calls) AS n FROM spend_by_hour WHERE name != '' GROUP BY name ORDER BY n DESC LIMIT 500)
