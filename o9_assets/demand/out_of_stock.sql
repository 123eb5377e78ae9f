-- Days without stock of an item at a location per partial week, where there is a count of stock in it.
--
-- From:  stock_counts    accepted rows of raw.inventory
--        places          location_code, customer_code
--        days_to_build   date, bucket_start
-- Where the planning location is a customer, a day is without stock when none of its ship-to locations had any.
WITH latest AS (
    SELECT *
    FROM stock_counts
    QUALIFY ROW_NUMBER() OVER (
        PARTITION BY item_code, location_code, snapshot_date
        ORDER BY changed_at DESC, change_seq DESC, known_at DESC, object_name DESC, line DESC, object_id DESC
    ) = 1
),

stock AS (
    SELECT
        s.item_code,
        COALESCE($stock_location, 'UNKNOWN') AS location_code,
        s.snapshot_date,
        MAX(s.on_hand_quantity) AS most_on_hand
    FROM latest AS s
    LEFT JOIN places AS p ON p.location_code = s.location_code
    WHERE s.op <> 'D'
    GROUP BY s.item_code, COALESCE($stock_location, 'UNKNOWN'), s.snapshot_date
)

SELECT
    s.item_code,
    s.location_code,
    d.bucket_start,
    CAST(COUNT(CASE WHEN s.most_on_hand <= 0 THEN 1 END) AS INTEGER) AS out_of_stock_days
FROM stock AS s
INNER JOIN days_to_build AS d ON d.date = s.snapshot_date
GROUP BY s.item_code, s.location_code, d.bucket_start
