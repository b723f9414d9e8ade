-- What `incidents_list` leaves out of incident {id}: kinds (with the evidence of each), runs, first_call_id, opened_by, calls_before_open,
-- cost_before_open_usd (decimal string), ready, tenant_id.
SELECT
    kinds, runs, first_call_id, opened_by, calls_before_open, toString(cost_before_open_usd) AS cost_before, ready,
    tenant_id
FROM incidents
WHERE incident_id = {id:String}
