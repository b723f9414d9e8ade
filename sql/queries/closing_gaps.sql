-- Records that the log did not give, {first} <= arrival < {end}. One row: gaps, records, first and last arrival.
-- A gap's arrival is that of the record after it.
SELECT count() AS gaps, sum(i.through - i.offset + 1) AS records, min(i.arrived_at) AS first_arrival, max(i.arrived_at) AS last_arrival
FROM intake AS i
WHERE i.outcome = 'gap' AND i.arrived_at >= fromUnixTimestamp64Milli({first_ms:Int64}, 'UTC')
    AND i.arrived_at < fromUnixTimestamp64Milli({end_ms:Int64}, 'UTC')
