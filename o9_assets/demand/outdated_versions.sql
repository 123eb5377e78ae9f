-- Versions of order lines that a later one replaced, by where they came from.
--
-- From:  repeated_versions   every version, as order_versions.sql gives them, of lines that may have more than one
-- A record of an object is one version, so line and object end every tie: of equal moments the last one landed counts.
-- Only what orders versions is read, not the dozen other columns: they matter for the latest version alone.
SELECT r.order_month, r.key_hash, r.object_id, r.line
FROM (
    SELECT
        order_month,
        key_hash,
        object_id,
        line,
        RANK() OVER (
            PARTITION BY order_id, order_line
            ORDER BY changed_at DESC, change_seq DESC, known_at DESC, object_name DESC, line DESC, object_id DESC
        ) AS version_rank
    FROM repeated_versions
) AS r
WHERE r.version_rank > 1
