-- Order lines that a standing line cancels by name.
--
-- From:  order_versions, repeated_keys, latest_versions
SELECT v.cancels_order_id AS order_id, v.cancels_order_line AS order_line
FROM order_versions AS v
ANTI JOIN repeated_keys AS r ON r.key_hash = v.key_hash
WHERE v.cancels_order_id IS NOT NULL AND v.kind_rule = -2 AND v.op <> 'D'
UNION
SELECT l.cancels_order_id AS order_id, l.cancels_order_line AS order_line
FROM latest_versions AS l
WHERE l.kind_rule = -2 AND l.op <> 'D'
