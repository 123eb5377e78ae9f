-- Every accepted version of every order line, in the terms of the planning grain.
--
-- From:  accepted_orders   accepted rows of raw.erp_orders
-- A value within 18 digits is multiplied in a machine word: the wide product takes as long as all other columns
-- together. Beyond, a factor of 19 digits makes it a wide one on every engine; of two of 18, DuckDB keeps 18 and
-- overflows.
-- kind_rule says what the line is: n for the n-th rule of the settings, 0 sale, -1 return (negative, and no rule
-- matches), -2 cancellation that names its line. order_lines.sql turns it into words.
SELECT
    CAST(DATE_TRUNC('month', o.order_date) AS DATE) AS order_month,
    $key_hash AS key_hash,
    o.order_id,
    o.order_line,
    CASE
        WHEN o.cancels_order_id IS NOT NULL AND o.cancels_order_line IS NOT NULL THEN -2
        ELSE COALESCE($kind_rule, CASE WHEN o.quantity < 0 THEN -1 ELSE 0 END)
    END AS kind_rule,
    COALESCE($item, 'UNKNOWN') AS item_code,
    COALESCE($location, 'UNKNOWN') AS location_code,
    COALESCE($channel, 'ALL') AS channel_code,
    o.customer_code,
    o.order_date,
    COALESCE($demand_date, o.order_date) AS demand_date,
    o.quantity,
    o.uom_code,
    CASE
        WHEN o.quantity > -1000000 AND o.quantity < 1000000 AND o.unit_price > -10000 AND o.unit_price < 10000
            THEN CAST(CAST(o.quantity AS DECIMAL(10, 4)) * CAST(o.unit_price AS DECIMAL(8, 4)) AS DECIMAL(18, 4))
        ELSE TRY_CAST(CAST(o.quantity AS DECIMAL(19, 4)) * o.unit_price AS DECIMAL(18, 4))
    END AS value,
    o.cancels_order_id,
    o.cancels_order_line,
    o.op,
    o.changed_at,
    o.change_seq,
    o.known_at,
    o.object_id,
    o.object_name,
    o.line
FROM accepted_orders AS o
