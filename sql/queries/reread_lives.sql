-- The newest life with rows of each partition, and how far it goes. Columns: partition, incarnation, through.
SELECT partition, incarnation, max(through) AS through
FROM intake
WHERE (partition, incarnation) IN (SELECT partition, max(incarnation) FROM intake GROUP BY partition)
GROUP BY partition, incarnation
ORDER BY partition
