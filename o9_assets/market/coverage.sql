-- How much of what we shipped the sell-out sees, by item and region.
--
-- From:  history    curated.demand_history
--        sell_out   curated.sell_out
--        places     location_code, region_name, from_at, to_at: which region a planning location belonged to when
-- Of the last 52 weeks that the sell-out reaches. covered_quantity is what we shipped in weeks with sell-out; a region
-- is UNKNOWN where the location has none. Quantities are base units.
WITH told AS (
    SELECT item_code, region_name, week_start, sum(base_quantity) AS sold
    FROM sell_out
    WHERE issue IS NULL
    GROUP BY item_code, region_name, week_start
),

span AS (
    SELECT greatest(min(week_start), max(week_start) - 51 * 7) AS first_week, max(week_start) AS last_week
    FROM told
),

shipped AS (
    SELECT
        h.item_code,
        coalesce(p.region_name, 'UNKNOWN') AS region_name,
        h.week_start,
        sum(h.shipments_quantity) AS shipped
    FROM history AS h
    INNER JOIN span AS s ON h.week_start BETWEEN s.first_week AND s.last_week
    LEFT JOIN places AS p
        ON p.location_code = h.location_code
        AND h.week_start >= p.from_at
        AND h.week_start < p.to_at
    WHERE h.shipments_quantity IS NOT NULL
    GROUP BY h.item_code, coalesce(p.region_name, 'UNKNOWN'), h.week_start
),

weeks AS (
    SELECT
        coalesce(s.item_code, t.item_code) AS item_code,
        coalesce(s.region_name, t.region_name) AS region_name,
        coalesce(s.shipped, 0) AS shipped,
        t.sold
    FROM shipped AS s
    FULL JOIN (
        SELECT t.* FROM told AS t INNER JOIN span AS s ON t.week_start BETWEEN s.first_week AND s.last_week
    ) AS t ON t.item_code = s.item_code AND t.region_name = s.region_name AND t.week_start = s.week_start
)

SELECT
    item_code,
    region_name,
    count(*) FILTER (WHERE shipped <> 0) AS shipped_weeks,
    count(*) FILTER (WHERE shipped <> 0 AND sold IS NOT NULL) AS covered_weeks,
    sum(shipped) AS shipped_quantity,
    coalesce(sum(shipped) FILTER (WHERE sold IS NOT NULL), 0) AS covered_quantity,
    CAST(coalesce(sum(shipped) FILTER (WHERE sold IS NOT NULL), 0) AS DOUBLE) / nullif(sum(shipped), 0)
    AS covered_share,
    coalesce(sum(sold), 0) AS sell_out_quantity,
    CAST(coalesce(sum(sold), 0) AS DOUBLE) / nullif(sum(shipped) FILTER (WHERE sold IS NOT NULL), 0) AS sell_out_ratio
FROM weeks
GROUP BY item_code, region_name
