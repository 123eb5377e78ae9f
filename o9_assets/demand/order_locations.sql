-- Planning locations that orders name, and since when.
--
-- From:  accepted_orders   accepted rows of raw.erp_orders
SELECT
    COALESCE($location, 'UNKNOWN') AS location_code,
    MIN(o.known_at) AS known_at
FROM accepted_orders AS o
GROUP BY COALESCE($location, 'UNKNOWN')
