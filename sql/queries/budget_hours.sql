-- A fingerprint of each hour of the roll-up from {since} (epoch seconds) on: an hour whose fingerprint stays is not read again.
SELECT
    toUnixTimestamp(s.hour) AS at,
    sum(cityHash64(s.tenant_id, s.team_id, s.tier, s.provider_name, s.request_model, s.calls, s.unpriced, ifNull(s.cost_usd, 0))) AS fingerprint
FROM spend_by_hour AS s
WHERE s.hour >= toDateTime({since:UInt32}, 'UTC')
GROUP BY at
