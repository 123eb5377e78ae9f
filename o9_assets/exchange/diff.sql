-- What differs between demand history and what o9 holds by our books, as cells to send.
-- A missing cell is no zero: it is not sent, and one that became missing, or is no longer there, is taken away.
WITH wanted AS (
    SELECT
        history.month_start,
        history.bucket_start,
        history.item_code,
        history.location_code,
        history.channel_code,
        buckets.bucket_label,
        {orders_quantity} AS orders_quantity,
        {returns_quantity} AS returns_quantity,
        {shipments_quantity} AS shipments_quantity,
        {orders_value} AS orders_value
    FROM demand_history AS history
    INNER JOIN buckets ON buckets.bucket_start = history.bucket_start
    WHERE history.state <> 'missing' AND history.is_complete
),

sent AS (
    SELECT * FROM wanted
    WHERE orders_quantity IS NOT NULL OR returns_quantity IS NOT NULL
        OR shipments_quantity IS NOT NULL OR orders_value IS NOT NULL
)

SELECT
    coalesce(sent.month_start, books.month_start) AS month_start,
    coalesce(sent.bucket_start, books.bucket_start) AS bucket_start,
    coalesce(sent.item_code, books.item_code) AS item_code,
    coalesce(sent.location_code, books.location_code) AS location_code,
    coalesce(sent.channel_code, books.channel_code) AS channel_code,
    coalesce(sent.bucket_label, books.bucket_label) AS bucket_label,
    sent.orders_quantity,
    sent.returns_quantity,
    sent.shipments_quantity,
    sent.orders_value
FROM sent
FULL OUTER JOIN books ON books.bucket_start = sent.bucket_start
    AND books.item_code = sent.item_code
    AND books.location_code = sent.location_code
    AND books.channel_code = sent.channel_code
WHERE sent.item_code IS NULL
    OR books.item_code IS NULL
    OR books.bucket_label <> sent.bucket_label
    OR books.orders_quantity IS DISTINCT FROM sent.orders_quantity
    OR books.returns_quantity IS DISTINCT FROM sent.returns_quantity
    OR books.shipments_quantity IS DISTINCT FROM sent.shipments_quantity
    OR books.orders_value IS DISTINCT FROM sent.orders_value
ORDER BY 2, 3, 4, 5
