-- The latest change of each kind.
-- Columns: what, id, digest, content.
SELECT what, argMax(id, (at, id)) AS id, argMax(digest, (at, c.id)) AS digest, argMax(content, (at, c.id)) AS content
FROM changes AS c
GROUP BY what
