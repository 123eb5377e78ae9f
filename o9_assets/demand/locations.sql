-- Locations with their history: one row per period of unchanged attributes.
--
-- From:  location_versions   accepted rows of raw.erp_locations
--        order_locations     location_code, known_at: planning locations that orders name, and since when
-- A period begins with the source's time of the change. Of changes at one time the last one in order holds; a deletion
-- ends a period and begins none.
WITH versions AS (
    SELECT
        v.*,
        ROW_NUMBER() OVER w AS version,
        LAG(v.op) OVER w AS op_before,
        LAG(v.location_name) OVER w AS location_name_before,
        LAG(v.customer_code) OVER w AS customer_code_before,
        LAG(v.region_name) OVER w AS region_name_before,
        LAG(v.country_code) OVER w AS country_code_before,
        LAG(v.channel_code) OVER w AS channel_code_before
    FROM (
        SELECT
            *,
            ROW_NUMBER() OVER (
                PARTITION BY location_code, changed_at
                ORDER BY change_seq DESC, known_at DESC, object_name DESC, line DESC, object_id DESC
            ) AS from_last
        FROM location_versions
    ) AS v
    WHERE v.from_last = 1
    WINDOW w AS (PARTITION BY v.location_code ORDER BY v.changed_at)
),

changes AS (
    SELECT *, LEAD(changed_at) OVER (PARTITION BY location_code ORDER BY version) AS valid_to_at
    FROM versions
    WHERE
        version = 1
        OR (op = 'D') IS DISTINCT FROM (op_before = 'D')
        OR location_name IS DISTINCT FROM location_name_before
        OR customer_code IS DISTINCT FROM customer_code_before
        OR region_name IS DISTINCT FROM region_name_before
        OR country_code IS DISTINCT FROM country_code_before
        OR channel_code IS DISTINCT FROM channel_code_before
),

master AS (
    SELECT
        location_code,
        changed_at AS valid_from_at,
        valid_to_at,
        valid_to_at IS NULL AS is_current,
        location_name,
        customer_code,
        region_name,
        country_code,
        channel_code
    FROM changes
    WHERE op <> 'D'
)

SELECT
    location_code,
    valid_from_at,
    valid_to_at,
    is_current,
    location_name,
    customer_code,
    region_name,
    country_code,
    channel_code,
    TRUE AS in_master
FROM master
UNION ALL
SELECT
    o.location_code,
    o.known_at AS valid_from_at,
    CAST(NULL AS TIMESTAMP) AS valid_to_at,
    TRUE AS is_current,
    CAST(NULL AS VARCHAR) AS location_name,
    CAST(NULL AS VARCHAR) AS customer_code,
    CAST(NULL AS VARCHAR) AS region_name,
    CAST(NULL AS VARCHAR) AS country_code,
    CAST(NULL AS VARCHAR) AS channel_code,
    FALSE AS in_master
FROM order_locations AS o
ANTI JOIN master AS m ON m.location_code = o.location_code
