-- Order lines that a standing line cancels by name.
--
-- From:  latest_versions   see latest_versions.sql
SELECT DISTINCT l.cancels_order_id AS order_id, l.cancels_order_line AS order_line
FROM latest_versions AS l
WHERE l.cancels_order_id IS NOT NULL AND l.kind_rule = -2 AND l.op <> 'D'
