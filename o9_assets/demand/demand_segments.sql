-- Segments of series at the forecast's grain, over the last weeks of the window.
--
-- From:  weeks   see weeks.sql
-- ABC by cumulative value (by quantity where the company has no prices): a series is A while those before it hold less
-- than the first cut-off. XYZ by the coefficient of variation over all known weeks; ADI and CV² (over non-zero weeks)
-- after Syntetos and Boylan: 1.32 and 0.49 part smooth, erratic, intermittent and lumpy. Weeks in which nothing could
-- be bought are left out. CV² is n Σq² / (Σq)² - 1 from exact sums, so that no order of adding shows in it.
WITH last_week AS (
    SELECT MAX(week_start) AS week_start FROM weeks WHERE is_complete
),

known AS (
    SELECT
        w.item_code,
        w.location_code,
        w.channel_code,
        CAST(w.orders_quantity AS DECIMAL(18, 4)) AS quantity,
        CAST(CASE WHEN $has_prices THEN w.orders_value ELSE w.orders_quantity END AS DECIMAL(18, 4)) AS value
    FROM weeks AS w
    CROSS JOIN last_week AS l
    WHERE
        w.is_complete
        AND NOT w.is_unavailable
        AND w.week_start > l.week_start - $window
        AND w.week_start <= l.week_start
),

summed AS (
    SELECT
        s.item_code,
        s.location_code,
        s.channel_code,
        COUNT(k.item_code) AS week_count,
        COUNT(CASE WHEN k.quantity > 0 THEN 1 END) AS demand_weeks,
        COALESCE(SUM(k.value), 0) AS value,
        CAST(SUM(k.quantity) AS DOUBLE) AS total,
        CAST(SUM(CAST(k.quantity AS DECIMAL(19, 4)) * k.quantity) AS DOUBLE) AS squares,
        CAST(SUM(CASE WHEN k.quantity > 0 THEN k.quantity END) AS DOUBLE) AS size_total,
        CAST(SUM(CASE WHEN k.quantity > 0 THEN CAST(k.quantity AS DECIMAL(19, 4)) * k.quantity END) AS DOUBLE) AS size_squares
    FROM (SELECT DISTINCT item_code, location_code, channel_code FROM weeks) AS s
    LEFT JOIN known AS k
        ON k.item_code = s.item_code AND k.location_code = s.location_code AND k.channel_code = s.channel_code
    GROUP BY s.item_code, s.location_code, s.channel_code
),

cumulated AS (
    SELECT
        s.*,
        CAST(SUM(s.value) OVER () AS DOUBLE) AS whole_value,
        CAST(
            SUM(s.value) OVER (
                ORDER BY s.value DESC, s.item_code, s.location_code, s.channel_code
                ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
            ) - s.value AS DOUBLE
        ) AS value_before
    FROM summed AS s
),

ranked AS (
    SELECT
        item_code,
        location_code,
        channel_code,
        week_count,
        demand_weeks,
        ROUND(CAST(week_count AS DOUBLE) / NULLIF(demand_weeks, 0), 6) AS adi_weeks,
        ABS(ROUND(demand_weeks * size_squares / NULLIF(size_total * size_total, 0) - 1, 6)) AS cv2,
        ABS(ROUND(week_count * squares / NULLIF(total * total, 0) - 1, 6)) AS variation2,
        ROUND(CAST(value AS DOUBLE) / NULLIF(whole_value, 0), 9) AS value_share,
        ROUND(value_before / NULLIF(whole_value, 0), 9) AS share_before
    FROM cumulated
)

SELECT
    item_code,
    location_code,
    channel_code,
    CASE
        WHEN demand_weeks > 0 AND share_before < $abc_a THEN 'A'
        WHEN demand_weeks > 0 AND share_before < $abc_b THEN 'B'
        ELSE 'C'
    END AS abc_class,
    CASE WHEN variation2 < $xyz_x * $xyz_x THEN 'X' WHEN variation2 < $xyz_y * $xyz_y THEN 'Y' ELSE 'Z' END AS xyz_class,
    CASE
        WHEN week_count < $min_weeks THEN 'new'
        WHEN demand_weeks = 0 THEN 'lumpy'
        WHEN adi_weeks < 1.32 AND cv2 < 0.49 THEN 'smooth'
        WHEN adi_weeks < 1.32 THEN 'erratic'
        WHEN cv2 < 0.49 THEN 'intermittent'
        ELSE 'lumpy'
    END AS demand_class,
    adi_weeks,
    cv2,
    value_share,
    week_count
FROM ranked
