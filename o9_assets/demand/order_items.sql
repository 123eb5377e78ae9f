-- Items that orders name, and since when.
--
-- From:  accepted_orders   accepted rows of raw.erp_orders
SELECT
    COALESCE($item, 'UNKNOWN') AS item_code,
    MIN(o.known_at) AS known_at
FROM accepted_orders AS o
GROUP BY COALESCE($item, 'UNKNOWN')
