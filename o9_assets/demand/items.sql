-- Items as planning sees them, without their successors: one row each.
--
-- From:  item_versions   accepted rows of raw.erp_items
--        order_items     item_code, known_at: items that orders name, and since when
-- A version that says what the one before said is no change: known_at is that of the last change.
WITH versions AS (
    SELECT
        v.*,
        ROW_NUMBER() OVER w AS version,
        LAG(v.op) OVER w AS op_before,
        LAG(v.item_name) OVER w AS item_name_before,
        LAG(v.brand_name) OVER w AS brand_name_before,
        LAG(v.category_name) OVER w AS category_name_before,
        LAG(v.base_uom_code) OVER w AS base_uom_code_before,
        LAG(v.list_price) OVER w AS list_price_before,
        LAG(v.listed_from_date) OVER w AS listed_from_date_before,
        LAG(v.delisted_from_date) OVER w AS delisted_from_date_before
    FROM item_versions AS v
    WINDOW w AS (
        PARTITION BY v.item_code
        ORDER BY v.changed_at, v.change_seq, v.known_at, v.object_name, v.line, v.object_id
    )
),

changes AS (
    SELECT *, ROW_NUMBER() OVER (PARTITION BY item_code ORDER BY version DESC) AS from_last
    FROM versions
    WHERE
        version = 1
        OR (op = 'D') IS DISTINCT FROM (op_before = 'D')
        OR item_name IS DISTINCT FROM item_name_before
        OR brand_name IS DISTINCT FROM brand_name_before
        OR category_name IS DISTINCT FROM category_name_before
        OR base_uom_code IS DISTINCT FROM base_uom_code_before
        OR list_price IS DISTINCT FROM list_price_before
        OR listed_from_date IS DISTINCT FROM listed_from_date_before
        OR delisted_from_date IS DISTINCT FROM delisted_from_date_before
),

master AS (
    SELECT
        item_code,
        item_name,
        brand_name,
        category_name,
        base_uom_code,
        list_price,
        listed_from_date,
        delisted_from_date,
        known_at
    FROM changes
    WHERE from_last = 1 AND op <> 'D'
)

SELECT
    item_code,
    item_name,
    brand_name,
    category_name,
    base_uom_code,
    list_price,
    listed_from_date,
    delisted_from_date,
    TRUE AS in_master,
    known_at
FROM master
UNION ALL
SELECT
    o.item_code,
    CAST(NULL AS VARCHAR) AS item_name,
    CAST(NULL AS VARCHAR) AS brand_name,
    CAST(NULL AS VARCHAR) AS category_name,
    CAST(NULL AS VARCHAR) AS base_uom_code,
    CAST(NULL AS DECIMAL(18, 4)) AS list_price,
    CAST(NULL AS DATE) AS listed_from_date,
    CAST(NULL AS DATE) AS delisted_from_date,
    FALSE AS in_master,
    o.known_at
FROM order_items AS o
ANTI JOIN master AS m ON m.item_code = o.item_code
