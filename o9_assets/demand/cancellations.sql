-- Order lines that a standing line cancels by name.
--
-- From:  order_versions
-- A line that once named another may no longer do so, or be deleted: the latest version of each such line decides.
WITH naming_once AS (
    SELECT DISTINCT order_id, order_line
    FROM order_versions
    WHERE kind_rule = -2
),

latest AS (
    SELECT v.cancels_order_id, v.cancels_order_line, v.op, v.kind_rule
    FROM order_versions AS v
    SEMI JOIN naming_once AS n ON v.order_id = n.order_id AND v.order_line = n.order_line
    QUALIFY ROW_NUMBER() OVER (
        PARTITION BY v.order_id, v.order_line
        ORDER BY
            v.changed_at DESC,
            v.change_seq DESC,
            v.known_at DESC,
            v.object_name DESC,
            v.line DESC,
            v.object_id DESC
    ) = 1
)

SELECT DISTINCT cancels_order_id AS order_id, cancels_order_line AS order_line
FROM latest
WHERE op <> 'D' AND kind_rule = -2
