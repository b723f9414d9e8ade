-- Runaways in one row: open ones whenever they began, and those that were opened in the time range.
-- Columns: open (count), paging (count), so_far (USD), unacknowledged (count), opened (count), cost (USD), median_lasted (seconds).
-- Reads: incidents
SELECT
    countIf(state = 'open') AS open, countIf(state = 'open' AND page) AS paging, toFloat64(sumIf(cost_usd, state = 'open')) AS so_far,
    countIf(state = 'open' AND page AND acknowledged_by = '') AS unacknowledged,
    countIf($__timeFilter_ms(opened_at)) AS opened, toFloat64(sumIf(cost_usd, $__timeFilter_ms(opened_at))) AS cost,
    if(countIf(isNotNull(resolved_at) AND $__timeFilter_ms(opened_at)) = 0, NULL,
        quantileExactIf(0.5)(dateDiff('second', opened_at, ifNull(resolved_at, opened_at)),
            isNotNull(resolved_at) AND $__timeFilter_ms(opened_at))) AS median_lasted
FROM incidents
WHERE NOT backfill AND @filter(team, agent)
