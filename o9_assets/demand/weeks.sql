-- Demand history by whole weeks: the sums of the partial weeks, at any grain of item, location and channel.
--
-- From:  history   curated.demand_history
-- A week is complete when all its days are there and known. A measure is null where it is null in every cell.
WITH whole AS (
    SELECT week_start, SUM(days) = 7 AND BOOL_AND(is_complete) AS is_complete
    FROM (SELECT DISTINCT week_start, bucket_start, days, is_complete FROM history) AS b
    GROUP BY week_start
)

SELECT
    h.week_start,
    $week_item AS item_code,
    $week_location AS location_code,
    $week_channel AS channel_code,
    SUM(h.orders_quantity) AS orders_quantity,
    SUM(h.returns_quantity) AS returns_quantity,
    SUM(h.shipments_quantity) AS shipments_quantity,
    SUM(h.orders_value) AS orders_value,
    BOOL_AND(w.is_complete) AS is_complete,
    BOOL_AND(h.state IN ('out_of_stock', 'not_yet_listed', 'delisted')) AS is_unavailable
FROM history AS h
INNER JOIN whole AS w ON w.week_start = h.week_start
GROUP BY h.week_start, $week_item, $week_location, $week_channel
