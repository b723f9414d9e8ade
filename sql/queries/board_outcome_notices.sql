-- Drops of quality after a change of route or model that people were told of, newest first (docs/outcomes.md).
-- Columns: at (time), change (text), severity (text), title (text), body (text).
-- Order: at desc
-- Reads: incidents
SELECT n.at AS at, n.change AS change, toString(n.severity) AS severity, n.title AS title, n.body AS body
FROM notices AS n
WHERE startsWith(n.subject, 'quality:') AND $__timeFilter_ms(n.at)
ORDER BY at DESC, n.id
LIMIT 100
