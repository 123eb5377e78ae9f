-- Sell-out that stands, with our item, our region and base units where they are known.
--
-- From:  sell_out_versions   accepted rows of raw.data_exchange_sell_out
--        product_map         see product_map.sql
--        known_items         item_code
--        region_names        source_region_name, region_name: the provider's regions that the settings rename
--        known_regions       region_name of our locations
-- Parameter: week_offset, the first day of our week as days after Monday.
-- A retailer's own code goes before the GTIN. A row that cannot be mapped is kept with its issue. A provider's week is
-- counted in our week that holds its middle day.
WITH latest AS (
    SELECT *
    FROM sell_out_versions
    QUALIFY row_number() OVER (
        PARTITION BY retailer_code, retailer_item_code, region_name, week_end_date
        ORDER BY changed_at DESC, change_seq DESC, known_at DESC, object_name DESC, line DESC, object_id DESC
    ) = 1
),

told AS (
    SELECT
        s.*,
        coalesce(r.region_name, s.region_name) AS our_region_name,
        CASE WHEN own.code IS NOT NULL THEN own.is_ambiguous ELSE pack.is_ambiguous END AS is_ambiguous,
        CASE WHEN own.code IS NOT NULL THEN own.item_code ELSE pack.item_code END AS told_item_code,
        CASE WHEN own.code IS NOT NULL THEN own.base_units_per_pack ELSE pack.base_units_per_pack END AS pack_size
    FROM latest AS s
    LEFT JOIN product_map AS own
        ON own.told_by = 'retailer' AND own.retailer_code = s.retailer_code AND own.code = s.retailer_item_code
    LEFT JOIN product_map AS pack ON pack.told_by = 'gtin' AND pack.code = ltrim(s.gtin, '0')
    LEFT JOIN region_names AS r ON r.source_region_name = s.region_name
    WHERE s.op <> 'D'
),

judged AS (
    SELECT
        t.*,
        k.region_name IS NOT NULL AS has_region,
        CASE
            WHEN t.told_item_code IS NULL THEN 'unknown_product'
            WHEN t.is_ambiguous THEN 'ambiguous_product'
            WHEN i.item_code IS NULL THEN 'unknown_item'
            WHEN k.region_name IS NULL THEN 'unknown_region'
        END AS issue
    FROM told AS t
    LEFT JOIN known_items AS i ON i.item_code = t.told_item_code
    LEFT JOIN known_regions AS k ON k.region_name = t.our_region_name
)

SELECT
    week_end_date - 3 - CAST((date_diff('day', DATE '2000-01-03', week_end_date - 3) - {week_offset}) % 7 + 7 AS INTEGER)
    % 7 AS week_start,
    week_end_date,
    retailer_code,
    retailer_item_code,
    gtin,
    region_name AS source_region_name,
    CASE WHEN has_region THEN our_region_name END AS region_name,
    CASE WHEN NOT is_ambiguous THEN told_item_code END AS item_code,
    issue,
    quantity,
    CASE WHEN issue IS NULL THEN try_cast(CAST(quantity AS DECIMAL(19, 4)) * pack_size AS DECIMAL(18, 4)) END AS base_quantity,
    sales_value,
    known_at,
    object_name,
    line
FROM judged
