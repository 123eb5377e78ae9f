-- Weekly demand by series at the forecast grain: item_code, location_code, channel_code, week_start, quantity,
-- promotion_days. Parameters: cycle (first week not known), location and channel (expressions of the grain).
-- A week is unknown (quantity null) where an expected object is not in, or where nothing was in stock anywhere: nowhere
-- was the item sold, and everywhere it was out of stock at some time.
-- The predecessor's history feeds its successor (`successors`, as of the cycle); weeks cut by the start of history are
-- left out.
WITH cells AS (
    SELECT * FROM demand_history
    WHERE week_start < DATE '{cycle}' AND state NOT IN ('not_yet_listed', 'delisted')
),

buckets AS (
    SELECT week_start, bucket_start, max(days) AS days
    FROM cells
    GROUP BY week_start, bucket_start
),

whole_weeks AS (
    SELECT week_start FROM buckets GROUP BY week_start HAVING sum(days) = 7
),

weeks AS (
    SELECT
        item_code,
        location_code,
        channel_code,
        week_start,
        bool_and(is_complete) AS is_complete,
        bool_or(state = 'out_of_stock') AND NOT bool_or(state = 'sold') AS is_out_of_stock,
        coalesce(sum(orders_quantity), 0) AS quantity,
        coalesce(sum(promotion_days), 0) AS promotion_days
    FROM cells
    GROUP BY item_code, location_code, channel_code, week_start
)

SELECT
    coalesce(successors.successor_item_code, weeks.item_code) AS item_code,
    {location} AS location_code,
    {channel} AS channel_code,
    weeks.week_start,
    CASE
        WHEN bool_and(weeks.is_complete) AND NOT bool_and(weeks.is_out_of_stock)
            THEN CAST(sum(weeks.quantity) AS DOUBLE)
    END AS quantity,
    max(weeks.promotion_days) AS promotion_days
FROM weeks
INNER JOIN whole_weeks ON whole_weeks.week_start = weeks.week_start
LEFT JOIN successors ON successors.item_code = weeks.item_code
GROUP BY ALL
