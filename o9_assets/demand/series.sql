-- Every series (item, location, channel) with its number and its first and last partial week.
--
-- From:  moved   item_code, location_code, channel_code, first_bucket, last_bucket: where something moved; a series may
--                come more than once
--        items   item_code, listed_from_date, delisted_from_date
--        known   last_bucket: the partial week of the last delivery, one row
-- A series begins with its first movement and ends with the last delivery, or with a demand ahead of it.
SELECT
    ROW_NUMBER() OVER (ORDER BY m.item_code, m.location_code, m.channel_code) AS series_id,
    m.item_code,
    m.location_code,
    m.channel_code,
    m.first_bucket,
    CASE WHEN k.last_bucket > m.last_bucket THEN k.last_bucket ELSE m.last_bucket END AS last_bucket,
    i.listed_from_date,
    i.delisted_from_date
FROM (
    SELECT
        item_code,
        location_code,
        channel_code,
        MIN(first_bucket) AS first_bucket,
        MAX(last_bucket) AS last_bucket
    FROM moved
    GROUP BY item_code, location_code, channel_code
) AS m
CROSS JOIN known AS k
LEFT JOIN items AS i ON i.item_code = m.item_code
