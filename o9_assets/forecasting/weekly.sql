-- Weekly demand by series at the forecast grain: item_code, location_code, channel_code, week_start, quantity,
-- promotion_days. Parameters: cycle (first week not known), location and channel (expressions of the grain).
-- A week is unknown (quantity null) where an expected object is not in, or where nothing was in stock anywhere.
-- The predecessor's history feeds its successor; weeks cut by the start of history are left out.
WITH cells AS (
    SELECT
        coalesce(items.successor_item_code, history.item_code) AS item_code,
        {location} AS location_code,
        {channel} AS channel_code,
        history.week_start,
        history.bucket_start,
        history.state,
        history.is_complete,
        history.days,
        CAST(coalesce(history.orders_quantity, 0) AS DOUBLE) AS quantity,
        coalesce(history.promotion_days, 0) AS promotion_days
    FROM demand_history AS history
    LEFT JOIN items ON items.item_code = history.item_code
    WHERE history.week_start < DATE '{cycle}' AND history.state NOT IN ('not_yet_listed', 'delisted')
),

buckets AS (
    SELECT week_start, bucket_start, max(days) AS days
    FROM cells
    GROUP BY week_start, bucket_start
),

whole_weeks AS (
    SELECT week_start FROM buckets GROUP BY week_start HAVING sum(days) = 7
)

SELECT
    cells.item_code,
    cells.location_code,
    cells.channel_code,
    cells.week_start,
    CASE
        WHEN bool_and(cells.is_complete) AND NOT bool_and(cells.state = 'out_of_stock') THEN sum(cells.quantity)
    END AS quantity,
    max(cells.promotion_days) AS promotion_days
FROM cells
INNER JOIN whole_weeks ON whole_weeks.week_start = cells.week_start
GROUP BY cells.item_code, cells.location_code, cells.channel_code, cells.week_start
