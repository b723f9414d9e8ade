-- Records that arrived in {first} .. {end} and are in no total: rejects by reason, and calls sent again.
SELECT i.outcome, i.reason, count() AS records
FROM intake AS i
WHERE i.arrived_at >= {first:DateTime('UTC')} AND i.arrived_at < {end:DateTime('UTC')} AND i.outcome IN ('reject', 'duplicate')
GROUP BY i.outcome, i.reason
ORDER BY i.outcome, records DESC, i.reason
