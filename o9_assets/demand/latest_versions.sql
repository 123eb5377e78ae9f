-- The latest version of each order line, deletions (op D) among them.
--
-- From:  repeated_versions   every version, as order_versions.sql gives them, of lines that may have more than one
-- The last ones of the order only tell rows apart that a source wrote at one moment without saying which came first.
SELECT
    v.order_month,
    v.key_hash,
    v.order_id,
    v.order_line,
    v.kind_rule,
    v.item_code,
    v.location_code,
    v.channel_code,
    v.customer_code,
    v.order_date,
    v.demand_date,
    v.quantity,
    v.uom_code,
    v.value,
    v.cancels_order_id,
    v.cancels_order_line,
    v.op,
    v.changed_at,
    v.change_seq,
    v.known_at,
    v.object_id,
    v.object_name,
    v.line
FROM (
    SELECT
        *,
        ROW_NUMBER() OVER (
            PARTITION BY order_id, order_line
            ORDER BY
                changed_at DESC,
                change_seq DESC,
                known_at DESC,
                object_name DESC,
                line DESC,
                object_id DESC,
                op DESC,
                demand_date DESC,
                quantity DESC,
                item_code DESC,
                location_code DESC
        ) AS version_rank
    FROM repeated_versions
) AS v
WHERE v.version_rank = 1
