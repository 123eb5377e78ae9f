-- Days on promotion of an item at a location per partial week; a day with two promotions is one day.
--
-- From:  accepted_promotions   accepted rows of raw.promotions
--        places                location_code, customer_code
--        series                see series.sql
--        days_to_build         date, bucket_start
-- Where the planning location is a customer, a promotion at any of its ship-to locations is one.
WITH latest AS (
    SELECT *
    FROM accepted_promotions
    QUALIFY ROW_NUMBER() OVER (
        PARTITION BY promotion_id, item_code, location_code
        ORDER BY changed_at DESC, change_seq DESC, known_at DESC, object_name DESC, line DESC, object_id DESC
    ) = 1
),

promoted AS (
    SELECT DISTINCT
        s.item_code,
        CASE WHEN s.location_code = '*' THEN '*' ELSE COALESCE($promotion_location, 'UNKNOWN') END AS location_code,
        d.date,
        d.bucket_start
    FROM latest AS s
    LEFT JOIN places AS p ON p.location_code = s.location_code
    INNER JOIN days_to_build AS d ON d.date >= s.start_date AND d.date <= s.end_date
    WHERE s.op <> 'D'
),

sold_at AS (
    SELECT DISTINCT item_code, location_code FROM series
)

SELECT
    l.item_code,
    l.location_code,
    p.bucket_start,
    CAST(COUNT(DISTINCT p.date) AS INTEGER) AS promotion_days
FROM promoted AS p
INNER JOIN sold_at AS l ON l.item_code = p.item_code
WHERE p.location_code = '*' OR p.location_code = l.location_code
GROUP BY l.item_code, l.location_code, p.bucket_start
