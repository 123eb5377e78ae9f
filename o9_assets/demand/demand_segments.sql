-- Segments of series at the forecast's grain, over the last weeks of the window.
--
-- From:  weeks   see weeks.sql
-- ABC by cumulative value (by quantity where the company has no prices): a series is A while those before it hold less
-- than the first cut-off. XYZ by the coefficient of variation over all known weeks; ADI and CV² (over non-zero weeks)
-- after Syntetos and Boylan: 1.32 and 0.49 part smooth, erratic, intermittent and lumpy. Weeks in which nothing could
-- be bought are left out.
WITH last_week AS (
    SELECT MAX(week_start) AS week_start FROM weeks WHERE is_complete
),

known AS (
    SELECT
        w.item_code,
        w.location_code,
        w.channel_code,
        CAST(w.orders_quantity AS DOUBLE) AS quantity,
        CASE WHEN $has_prices THEN w.orders_value ELSE w.orders_quantity END AS value
    FROM weeks AS w
    CROSS JOIN last_week AS l
    WHERE
        w.is_complete
        AND NOT w.is_unavailable
        AND w.week_start > l.week_start - $window
        AND w.week_start <= l.week_start
),

measured AS (
    SELECT
        s.item_code,
        s.location_code,
        s.channel_code,
        COUNT(k.item_code) AS week_count,
        COUNT(CASE WHEN k.quantity > 0 THEN 1 END) AS demand_weeks,
        COALESCE(CAST(SUM(k.value) AS DOUBLE), 0) AS value,
        AVG(k.quantity) AS mean_quantity,
        STDDEV_POP(k.quantity) AS deviation,
        AVG(CASE WHEN k.quantity > 0 THEN k.quantity END) AS mean_size,
        VAR_POP(CASE WHEN k.quantity > 0 THEN k.quantity END) AS size_variance
    FROM (SELECT DISTINCT item_code, location_code, channel_code FROM weeks) AS s
    LEFT JOIN known AS k
        ON k.item_code = s.item_code AND k.location_code = s.location_code AND k.channel_code = s.channel_code
    GROUP BY s.item_code, s.location_code, s.channel_code
),

ranked AS (
    SELECT
        m.*,
        ROUND(CAST(m.week_count AS DOUBLE) / NULLIF(m.demand_weeks, 0), 6) AS adi_weeks,
        ROUND(m.size_variance / NULLIF(m.mean_size * m.mean_size, 0), 6) AS cv2,
        m.deviation / NULLIF(m.mean_quantity, 0) AS variation,
        ROUND(m.value / NULLIF(SUM(m.value) OVER (), 0), 9) AS value_share,
        ROUND(
            (
                SUM(m.value) OVER (
                    ORDER BY m.value DESC, m.item_code, m.location_code, m.channel_code
                    ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
                ) - m.value
            ) / NULLIF(SUM(m.value) OVER (), 0),
            9
        ) AS share_before
    FROM measured AS m
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
    CASE WHEN variation < $xyz_x THEN 'X' WHEN variation < $xyz_y THEN 'Y' ELSE 'Z' END AS xyz_class,
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
