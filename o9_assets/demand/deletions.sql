-- Order lines whose latest version is a deletion: what a later change of an older version is compared with.
--
-- From:  order_versions
WITH deleted_once AS (
    SELECT DISTINCT order_id, order_line
    FROM order_versions
    WHERE op = 'D'
),

latest AS (
    SELECT v.*
    FROM order_versions AS v
    SEMI JOIN deleted_once AS d ON v.order_id = d.order_id AND v.order_line = d.order_line
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

SELECT key_hash, order_id, order_line, changed_at, change_seq, known_at, object_id, object_name, line
FROM latest
WHERE op = 'D'
