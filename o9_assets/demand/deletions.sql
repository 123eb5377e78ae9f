-- Order lines whose latest version is a deletion: what an older version that comes later is compared with.
--
-- From:  order_versions, repeated_keys, latest_versions
SELECT v.key_hash, v.order_id, v.order_line, v.changed_at, v.change_seq, v.known_at, v.object_id, v.object_name, v.line
FROM order_versions AS v
ANTI JOIN repeated_keys AS r ON r.key_hash = v.key_hash
WHERE v.op = 'D'
UNION ALL
SELECT l.key_hash, l.order_id, l.order_line, l.changed_at, l.change_seq, l.known_at, l.object_id, l.object_name, l.line
FROM latest_versions AS l
WHERE l.op = 'D'
