-- Order lines that stand, each with its kind, what it counts as, and its quantity in base units.
--
-- From:  standing_lines    latest versions that are no deletions, as latest_versions.sql gives them
--        cancellations     order_id, order_line: lines that a standing line cancels by name
--        unit_factors      see unit_factors.sql
--        set_aside_items   item_code: items whose lines do not count because no master knows them
-- A factor of 19 digits makes the product a wide one on every engine; of two of 18, DuckDB keeps 18 and overflows.
-- A line that counts as nothing because of its kind has no issue; one that would count, and cannot, says why.
WITH converted AS (
    SELECT
        l.*,
        CASE WHEN c.order_id IS NOT NULL AND l.kind_rule <> -2 THEN 'cancelled' ELSE $kind END AS kind,
        CASE WHEN c.order_id IS NOT NULL THEN 'none' ELSE $counts_as END AS would_count_as,
        COALESCE(l.uom_code, $missing_uom) AS unit,
        f.uom_code AS known_unit,
        f.factor,
        CASE
            WHEN f.factor = 1 THEN l.quantity
            WHEN f.factor > 0 THEN TRY_CAST(CAST(l.quantity AS DECIMAL(19, 4)) * f.factor AS DECIMAL(18, 4))
        END AS base_quantity,
        a.item_code IS NOT NULL AS is_set_aside
    FROM standing_lines AS l
    LEFT JOIN cancellations AS c ON c.order_id = l.order_id AND c.order_line = l.order_line
    LEFT JOIN unit_factors AS f
        ON f.item_code = l.item_code
        AND f.uom_code = COALESCE(l.uom_code, $missing_uom)
        AND l.demand_date >= f.valid_from_date
        AND l.demand_date < f.valid_to_date
    LEFT JOIN set_aside_items AS a ON a.item_code = l.item_code
),

judged AS (
    SELECT
        v.*,
        CASE
            WHEN v.would_count_as = 'none' THEN NULL
            WHEN v.is_set_aside THEN 'unknown_item'
            WHEN v.unit IS NULL THEN 'missing_uom'
            WHEN v.known_unit IS NULL THEN 'unknown_uom'
            WHEN v.factor IS NULL THEN 'uom_not_yet_valid'
            WHEN v.factor <= 0 THEN 'factor_not_positive'
            WHEN v.base_quantity IS NULL THEN 'quantity_out_of_range'
        END AS issue
    FROM converted AS v
)

SELECT
    order_month,
    key_hash,
    order_id,
    order_line,
    kind_rule,
    kind,
    CASE WHEN issue IS NULL THEN would_count_as ELSE 'none' END AS counts_as,
    item_code,
    location_code,
    channel_code,
    customer_code,
    order_date,
    demand_date,
    quantity,
    uom_code,
    base_quantity,
    value,
    issue,
    cancels_order_id,
    cancels_order_line,
    changed_at,
    change_seq,
    known_at,
    object_id,
    object_name,
    line
FROM judged
