-- Order lines that stand: in their latest version, and that is no deletion.
--
-- From:  order_versions    see order_versions.sql, or those of some months of order_date
--        repeated_keys     see repeated_keys.sql
--        latest_versions   see latest_versions.sql, of the same months
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
FROM order_versions AS v
ANTI JOIN repeated_keys AS r ON r.key_hash = v.key_hash
WHERE v.op <> 'D'
UNION ALL
SELECT
    l.order_month,
    l.key_hash,
    l.order_id,
    l.order_line,
    l.kind_rule,
    l.item_code,
    l.location_code,
    l.channel_code,
    l.customer_code,
    l.order_date,
    l.demand_date,
    l.quantity,
    l.uom_code,
    l.value,
    l.cancels_order_id,
    l.cancels_order_line,
    l.op,
    l.changed_at,
    l.change_seq,
    l.known_at,
    l.object_id,
    l.object_name,
    l.line
FROM latest_versions AS l
WHERE l.op <> 'D'
