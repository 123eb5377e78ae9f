-- What moved: one row per item, location, channel and partial week with an order, a return or a shipment.
--
-- From:  counted_lines   rows of curated.order_lines whose counts_as is not none
--        shipments       see shipments.sql
--        days_to_build   date, bucket_start
-- A measure is null where nothing of it moved.
SELECT
    m.item_code,
    m.location_code,
    m.channel_code,
    d.bucket_start,
    CAST(SUM(m.orders_quantity) AS DECIMAL(18, 4)) AS orders_quantity,
    CAST(SUM(m.returns_quantity) AS DECIMAL(18, 4)) AS returns_quantity,
    CAST(SUM(m.shipments_quantity) AS DECIMAL(18, 4)) AS shipments_quantity,
    CAST(SUM(m.orders_value) AS DECIMAL(18, 4)) AS orders_value,
    COUNT(m.orders_quantity) + COUNT(m.returns_quantity) AS order_line_count
FROM (
    SELECT
        l.item_code,
        l.location_code,
        l.channel_code,
        l.demand_date AS moved_date,
        CASE WHEN l.counts_as = 'orders' THEN l.base_quantity END AS orders_quantity,
        CASE WHEN l.counts_as = 'returns' THEN l.base_quantity END AS returns_quantity,
        CAST(NULL AS DECIMAL(18, 4)) AS shipments_quantity,
        CASE WHEN l.counts_as = 'orders' THEN l.value END AS orders_value
    FROM counted_lines AS l
    UNION ALL
    SELECT
        s.item_code,
        s.location_code,
        s.channel_code,
        s.ship_date AS moved_date,
        CAST(NULL AS DECIMAL(18, 4)) AS orders_quantity,
        CAST(NULL AS DECIMAL(18, 4)) AS returns_quantity,
        s.base_quantity AS shipments_quantity,
        CAST(NULL AS DECIMAL(18, 4)) AS orders_value
    FROM shipments AS s
    WHERE s.base_quantity IS NOT NULL
) AS m
INNER JOIN days_to_build AS d ON d.date = m.moved_date
GROUP BY m.item_code, m.location_code, m.channel_code, d.bucket_start
