-- Hashes of lines that may have more than one version.
--
-- From:  order_versions
SELECT key_hash
FROM order_versions
GROUP BY key_hash
HAVING COUNT(*) > 1
