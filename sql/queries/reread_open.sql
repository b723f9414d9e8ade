-- Partitions that somebody asked to read again and that nobody has taken over since. Column: partition.
SELECT DISTINCT r.partition AS partition
FROM replays AS r
LEFT JOIN (SELECT partition, max(incarnation) AS life FROM intake GROUP BY partition) AS i ON i.partition = r.partition
LEFT JOIN (SELECT partition, max(at) AS taken FROM epochs WHERE event = 'start' GROUP BY partition) AS e
    ON e.partition = r.partition
WHERE r.after_incarnation = i.life AND r.asked_at > e.taken
ORDER BY partition
