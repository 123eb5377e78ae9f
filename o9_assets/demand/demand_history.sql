-- Demand history: every series on its complete spine of partial weeks, each cell with its state.
--
-- From:  series            see series.sql
--        buckets_to_build  bucket_start, bucket_end, days, week_start, month_start, is_complete, shipments_complete:
--                          the partial weeks to build
--        movements         see movements.sql
--        out_of_stock      see out_of_stock.sql
--        promotion_days    see promotion_days.sql
-- Precedence of states: what was ordered was sold, whatever else is known; where an expected object is not in nothing
-- is known; then what the master says; then stock. A zero that nothing else explains is a true zero.
WITH numbered AS (
    SELECT
        s.series_id,
        m.bucket_start,
        m.orders_quantity,
        m.returns_quantity,
        m.shipments_quantity,
        m.orders_value,
        m.order_line_count
    FROM movements AS m
    INNER JOIN series AS s
        ON s.item_code = m.item_code AND s.location_code = m.location_code AND s.channel_code = m.channel_code
),

cells AS (
    SELECT
        b.month_start,
        b.bucket_start,
        b.week_start,
        b.days,
        b.is_complete,
        b.shipments_complete,
        s.item_code,
        s.location_code,
        s.channel_code,
        m.orders_quantity,
        m.returns_quantity,
        m.shipments_quantity,
        m.orders_value,
        COALESCE(m.order_line_count, 0) AS order_line_count,
        CASE WHEN $has_inventory THEN o.out_of_stock_days END AS out_of_stock_days,
        CASE WHEN $has_promotions THEN COALESCE(p.promotion_days, 0) END AS promotion_days,
        CASE
            WHEN m.orders_quantity IS NOT NULL THEN 'sold'
            WHEN NOT b.is_complete THEN 'missing'
            WHEN b.bucket_end < s.listed_from_date THEN 'not_yet_listed'
            WHEN b.bucket_start >= s.delisted_from_date THEN 'delisted'
            WHEN o.out_of_stock_days > 0 THEN 'out_of_stock'
            ELSE 'true_zero'
        END AS state
    FROM series AS s
    INNER JOIN buckets_to_build AS b ON b.bucket_start >= s.first_bucket AND b.bucket_start <= s.last_bucket
    LEFT JOIN numbered AS m ON m.series_id = s.series_id AND m.bucket_start = b.bucket_start
    LEFT JOIN out_of_stock AS o
        ON o.item_code = s.item_code AND o.location_code = s.location_code AND o.bucket_start = b.bucket_start
    LEFT JOIN promotion_days AS p
        ON p.item_code = s.item_code AND p.location_code = s.location_code AND p.bucket_start = b.bucket_start
)

SELECT
    month_start,
    bucket_start,
    week_start,
    item_code,
    location_code,
    channel_code,
    state,
    CASE WHEN state = 'missing' THEN orders_quantity ELSE COALESCE(orders_quantity, 0) END AS orders_quantity,
    CASE WHEN state = 'missing' THEN returns_quantity ELSE COALESCE(returns_quantity, 0) END AS returns_quantity,
    CASE
        WHEN $has_shipments AND shipments_complete THEN COALESCE(shipments_quantity, 0)
        WHEN $has_shipments THEN shipments_quantity
    END AS shipments_quantity,
    CASE WHEN $has_prices AND state NOT IN ('missing', 'sold') THEN COALESCE(orders_value, 0) ELSE orders_value END
        AS orders_value,
    order_line_count,
    is_complete,
    out_of_stock_days,
    promotion_days,
    days
FROM cells
