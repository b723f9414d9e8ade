-- Spend of some hours (epoch seconds) by what the roll-up knows: USD, and calls without a price.
SELECT
    toUnixTimestamp(s.hour) AS at, s.tenant_id, s.team_id, s.tier, s.request_model,
    toString(sum(ifNull(s.cost_usd, 0))) AS usd,
    sum(s.unpriced) AS unpriced
FROM spend_by_hour AS s
WHERE s.hour >= toDateTime({first:UInt32}, 'UTC') AND s.hour <= toDateTime({last:UInt32}, 'UTC')
    AND has({hours:Array(UInt32)}, toUnixTimestamp(s.hour))
GROUP BY at, s.tenant_id, s.team_id, s.tier, s.request_model
