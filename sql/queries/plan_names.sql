-- Which of the given names the ledger has seen, by what they name; `total` says whether it has seen any call at all.
SELECT 'tenant' AS dimension, groupUniqArray(tenant_id) AS names FROM spend_by_hour WHERE has({tenant:Array(String)}, tenant_id)
UNION ALL SELECT 'provider', groupUniqArray(provider_name) FROM spend_by_hour WHERE has({provider:Array(String)}, provider_name)
UNION ALL SELECT 'model', groupUniqArray(request_model) FROM spend_by_hour WHERE has({model:Array(String)}, request_model)
UNION ALL SELECT 'team', groupUniqArray(team_id) FROM spend_by_hour WHERE has({team:Array(String)}, team_id)
UNION ALL SELECT 'key', groupUniqArray(toString(api_key_id)) FROM calls WHERE has({key:Array(String)}, api_key_id)
UNION ALL SELECT 'plan_id', groupUniqArray(toString(plan_id)) FROM calls WHERE has({plan_id:Array(String)}, plan_id)
UNION ALL SELECT 'total', if(count() = 0, [], ['any']) FROM (SELECT 1 FROM spend_by_hour LIMIT 1)
