-- Which item a retailer's code, or a GTIN, stands for: one row per code that is told.
--
-- From:  product_versions   accepted rows of raw.data_exchange_products
-- The newest version of an entry holds. A code whose entries name two items, or one item with two pack sizes, is
-- ambiguous and stands for none. Leading zeros of a GTIN are no matter: spreadsheets lose them.
WITH latest AS (
    SELECT
        ltrim(gtin, '0') AS gtin,
        retailer_code,
        retailer_item_code,
        item_code,
        coalesce(base_units_per_pack, 1) AS base_units_per_pack,
        op
    FROM product_versions
    QUALIFY row_number() OVER (
        PARTITION BY ltrim(gtin, '0'), retailer_code, retailer_item_code
        ORDER BY changed_at DESC, change_seq DESC, known_at DESC, object_name DESC, line DESC, object_id DESC
    ) = 1
),

entries AS (
    SELECT 'retailer' AS told_by, retailer_code, retailer_item_code AS code, item_code, base_units_per_pack
    FROM latest
    WHERE op <> 'D' AND retailer_code IS NOT NULL AND retailer_item_code IS NOT NULL
    UNION ALL
    SELECT 'gtin' AS told_by, NULL AS retailer_code, gtin AS code, item_code, base_units_per_pack
    FROM latest
    WHERE op <> 'D'
)

SELECT
    told_by,
    retailer_code,
    code,
    count(DISTINCT (item_code, base_units_per_pack)) > 1 AS is_ambiguous,
    min(item_code) AS item_code,
    min(base_units_per_pack) AS base_units_per_pack
FROM entries
GROUP BY told_by, retailer_code, code
