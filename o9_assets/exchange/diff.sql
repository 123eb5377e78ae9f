-- What differs between demand history and what o9 holds by our books, as cells to send.
-- From:  demand_history  see curated.demand_history: the months that changed
--        buckets         bucket_start, bucket_label
--        books           see o9.demand_export: the same months
--        refused         see o9.rejected_cells: the cells that o9 refuses, not to be tried again unless they changed
--        and the parameter refused: NULL for the cells to send, NOT NULL for those that o9 goes on refusing
-- A missing cell is no zero: it is not sent. One that became missing, or is no longer there, is taken away.
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

known AS (
    SELECT * FROM wanted
    WHERE orders_quantity IS NOT NULL OR returns_quantity IS NOT NULL
        OR shipments_quantity IS NOT NULL OR orders_value IS NOT NULL
),

changed AS (
    SELECT
        coalesce(known.month_start, books.month_start) AS month_start,
        coalesce(known.bucket_start, books.bucket_start) AS bucket_start,
        coalesce(known.item_code, books.item_code) AS item_code,
        coalesce(known.location_code, books.location_code) AS location_code,
        coalesce(known.channel_code, books.channel_code) AS channel_code,
        coalesce(known.bucket_label, books.bucket_label) AS bucket_label,
        known.orders_quantity,
        known.returns_quantity,
        known.shipments_quantity,
        known.orders_value,
        books.orders_quantity AS was_orders_quantity,
        books.returns_quantity AS was_returns_quantity,
        books.shipments_quantity AS was_shipments_quantity,
        books.orders_value AS was_orders_value,
        CASE
            WHEN books.item_code IS NULL THEN 'new'
            WHEN known.item_code IS NULL THEN 'retracted'
            ELSE 'replaced'
        END AS change
    FROM known
    FULL OUTER JOIN books ON books.bucket_start = known.bucket_start
        AND books.item_code = known.item_code
        AND books.location_code = known.location_code
        AND books.channel_code = known.channel_code
    WHERE known.item_code IS NULL
        OR books.item_code IS NULL
        OR books.orders_quantity IS DISTINCT FROM known.orders_quantity
        OR books.returns_quantity IS DISTINCT FROM known.returns_quantity
        OR books.shipments_quantity IS DISTINCT FROM known.shipments_quantity
        OR books.orders_value IS DISTINCT FROM known.orders_value
)

SELECT changed.* FROM changed
LEFT JOIN refused ON refused.bucket_start = changed.bucket_start
    AND refused.item_code = changed.item_code
    AND refused.location_code = changed.location_code
    AND refused.channel_code = changed.channel_code
    AND refused.orders_quantity IS NOT DISTINCT FROM changed.orders_quantity
    AND refused.returns_quantity IS NOT DISTINCT FROM changed.returns_quantity
    AND refused.shipments_quantity IS NOT DISTINCT FROM changed.shipments_quantity
    AND refused.orders_value IS NOT DISTINCT FROM changed.orders_value
WHERE refused.item_code IS {refused}
