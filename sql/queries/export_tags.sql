-- Keys of the tags of calls of {first} <= hour < {end}, the most frequent first, with the number of calls and of values.
SELECT tag.1 AS key, count() AS calls, uniq(tag.2) AS values
FROM calls AS c
ARRAY JOIN CAST(c.tags, 'Array(Tuple(String, String))') AS tag
WHERE c.hour >= {first:DateTime('UTC')} AND c.hour < {end:DateTime('UTC')}
GROUP BY key
ORDER BY calls DESC, key
LIMIT 100
