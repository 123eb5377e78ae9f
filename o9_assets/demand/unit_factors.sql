-- How many base units one unit of an item holds, and between which days: one row for each day at most.
--
-- From:  conversion_versions   accepted rows of raw.uom_conversions
--        planning_items        item_code, base_uom_code: every item of a master or an order
-- An item's own factor goes before the one for every item (`*`), from the first day on which it has one. The base unit
-- is 1. Before the first day of any factor the factor is null: the unit is known, what it holds is not.
WITH standing AS (
    SELECT c.item_code, c.uom_code, c.valid_from_date, c.factor
    FROM (
        SELECT *
        FROM conversion_versions
        QUALIFY ROW_NUMBER() OVER (
            PARTITION BY item_code, uom_code, valid_from_date
            ORDER BY changed_at DESC, change_seq DESC, known_at DESC, object_name DESC, line DESC, object_id DESC
        ) = 1
    ) AS c
    WHERE c.op <> 'D'
),

own_from AS (
    SELECT item_code, uom_code, MIN(valid_from_date) AS first_date
    FROM standing
    WHERE item_code <> '*'
    GROUP BY item_code, uom_code
),

steps AS (
    SELECT s.item_code, s.uom_code, s.valid_from_date, s.factor
    FROM standing AS s
    WHERE s.item_code <> '*'
    UNION ALL
    SELECT i.item_code, s.uom_code, s.valid_from_date, s.factor
    FROM standing AS s
    CROSS JOIN planning_items AS i
    LEFT JOIN own_from AS o ON o.item_code = i.item_code AND o.uom_code = s.uom_code
    WHERE s.item_code = '*' AND (o.first_date IS NULL OR s.valid_from_date < o.first_date)
),

known AS (
    SELECT
        item_code,
        uom_code,
        valid_from_date,
        COALESCE(
            LEAD(valid_from_date) OVER (PARTITION BY item_code, uom_code ORDER BY valid_from_date), DATE '9999-12-31'
        ) AS valid_to_date,
        factor
    FROM steps
),

unknown_before AS (
    SELECT
        item_code,
        uom_code,
        DATE '0001-01-01' AS valid_from_date,
        MIN(valid_from_date) AS valid_to_date,
        CAST(NULL AS DECIMAL(18, 6)) AS factor
    FROM steps
    GROUP BY item_code, uom_code
),

timeline AS (
    SELECT item_code, uom_code, valid_from_date, valid_to_date, factor FROM known
    UNION ALL
    SELECT item_code, uom_code, valid_from_date, valid_to_date, factor FROM unknown_before
)

SELECT t.item_code, t.uom_code, t.valid_from_date, t.valid_to_date, t.factor
FROM timeline AS t
INNER JOIN planning_items AS i ON i.item_code = t.item_code
WHERE t.uom_code <> i.base_uom_code AND t.valid_from_date < t.valid_to_date
UNION ALL
SELECT
    i.item_code,
    i.base_uom_code AS uom_code,
    DATE '0001-01-01' AS valid_from_date,
    DATE '9999-12-31' AS valid_to_date,
    CAST(1 AS DECIMAL(18, 6)) AS factor
FROM planning_items AS i
