-- What became of the calls that one run of `rejects retry` sent again. Columns: outcome, reason, calls.
SELECT outcome, reason, count() AS calls
FROM intake
WHERE (partition, offset) IN (SELECT to_partition, to_offset FROM reject_retries WHERE retry_id = {retry_id:String})
    AND (partition, incarnation) IN (SELECT partition, max(incarnation) FROM intake GROUP BY partition)
GROUP BY outcome, reason
ORDER BY outcome, reason
