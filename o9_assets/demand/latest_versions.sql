-- The latest version of each order line, deletions (op D) among them.
--
-- From:  order_versions      see order_versions.sql, or those of some months of order_date
--        outdated_versions   see outdated_versions.sql, of the same months
SELECT v.*
FROM order_versions AS v
ANTI JOIN outdated_versions AS o ON o.key_hash = v.key_hash AND o.object_id = v.object_id AND o.line = v.line
