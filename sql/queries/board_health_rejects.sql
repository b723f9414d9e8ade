-- Why calls were refused, by reason. Rejects have no agent, so they lie together at the front of the ledger.
-- Columns: reason (text), rows (rows), newest (time), example (text).
-- Order: rows desc
-- Reads: rejects
SELECT reason, count() AS rows, max(arrived_at) AS newest, argMax(detail, arrived_at) AS example
FROM intake
WHERE agent_id = '' AND outcome = 'reject' AND $__timeFilter_ms(time)
GROUP BY reason
ORDER BY rows DESC, reason
