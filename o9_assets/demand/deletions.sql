-- Order lines whose latest version is a deletion: what an older version that comes later is compared with.
--
-- From:  latest_versions   see latest_versions.sql
SELECT l.key_hash, l.order_id, l.order_line, l.changed_at, l.change_seq, l.known_at, l.object_id, l.object_name, l.line
FROM latest_versions AS l
WHERE l.op = 'D'
