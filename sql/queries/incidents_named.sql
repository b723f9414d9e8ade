-- Ids of incidents that begin with {text}: three at most, as one is wanted.
SELECT incident_id FROM incidents WHERE startsWith(incident_id, {text:String}) ORDER BY incident_id LIMIT 3
