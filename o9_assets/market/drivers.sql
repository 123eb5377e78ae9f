-- Drivers by region and week with the moment from which each value was known.
--
-- From:  driver_versions   accepted rows of raw.data_exchange_drivers
--        region_names      source_region_name, region_name: the provider's regions that the settings rename
--        known_regions     region_name of our locations
-- Parameters: week_offset, the first day of our week as days after Monday; zone, the company's time zone, as text.
-- A value is known from the moment when it became known to us. History that came with a driver's first delivery is
-- older than that: it is taken as published with the delay that this delivery shows, the age of its newest week. What
-- comes later, revisions too, never counts as known before it came. A deletion is a version without a value.
WITH versions AS (
    SELECT
        d.*,
        coalesce(r.region_name, d.region_name) AS our_region_name,
        timezone('UTC', timezone({zone}, CAST(d.week_end_date + 1 AS TIMESTAMP))) AS week_ends_at,
        min(d.known_at) OVER (PARTITION BY d.driver_name, d.region_name) AS first_known_at
    FROM driver_versions AS d
    LEFT JOIN region_names AS r ON r.source_region_name = d.region_name
),

delays AS (
    SELECT driver_name, region_name, min(first_known_at - week_ends_at) AS delay
    FROM versions
    WHERE known_at = first_known_at AND week_ends_at <= known_at
    GROUP BY driver_name, region_name
),

dated AS (
    SELECT
        v.*,
        v.week_ends_at > v.known_at AS is_outlook,
        v.week_end_date - 3
        - CAST((date_diff('day', DATE '2000-01-03', v.week_end_date - 3) - {week_offset}) % 7 + 7 AS INTEGER)
        % 7 AS week_start,
        CASE
            WHEN v.known_at = v.first_known_at AND v.week_ends_at <= v.known_at THEN v.week_ends_at + y.delay
            ELSE v.known_at
        END AS known_from_at
    FROM versions AS v
    LEFT JOIN delays AS y ON y.driver_name = v.driver_name AND y.region_name = v.region_name
)

SELECT
    t.driver_name,
    t.our_region_name AS region_name,
    t.week_start,
    t.known_from_at,
    CASE WHEN t.op <> 'D' THEN t.driver_value END AS driver_value,
    t.is_outlook,
    CASE WHEN k.region_name IS NULL AND t.our_region_name <> '*' THEN 'unknown_region' END AS issue,
    t.known_at,
    t.object_name,
    t.line
FROM dated AS t
LEFT JOIN known_regions AS k ON k.region_name = t.our_region_name
QUALIFY row_number() OVER (
    PARTITION BY t.driver_name, t.our_region_name, t.week_start, t.known_from_at
    ORDER BY t.changed_at DESC, t.change_seq DESC, t.known_at DESC, t.object_name DESC, t.line DESC, t.object_id DESC
) = 1
