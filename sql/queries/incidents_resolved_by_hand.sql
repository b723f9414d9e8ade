-- Incidents that a person resolved: they end when somebody says so, which no calls tell.
SELECT DISTINCT incident_id FROM incident_events WHERE change = 'resolved' AND by != ''
