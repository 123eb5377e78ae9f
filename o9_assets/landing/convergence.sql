-- Totals of the stream beside those of the order feed, by item, unit and period.
-- From:  events  see raw.demand_events: rows that count, of the periods looked at
--        lines   item_code, uom_code, quantity, order_date, ordered_at: standing order lines of the same days
-- A line or an event without a unit is in {unit}. A period is due when it ended {after_hours} hours ago.
WITH latest AS (
    SELECT * FROM events
    QUALIFY row_number() OVER (
        PARTITION BY event_id ORDER BY changed_at DESC, change_seq DESC, arrived_at DESC, line DESC
    ) = 1
),

streamed AS (
    SELECT
        date_trunc('{by}', timezone({zone}, timezone('UTC', event_at))) AS period_start,
        item_code,
        coalesce(uom_code, {unit}) AS uom_code,
        sum(quantity) AS quantity,
        count(*) AS number
    FROM latest
    WHERE op <> 'D' AND ({counts})
    GROUP BY ALL
),

ordered AS (
    SELECT
        {period} AS period_start,
        item_code,
        coalesce(uom_code, {unit}) AS uom_code,
        sum(quantity) AS quantity,
        count(*) AS number
    FROM lines
    GROUP BY ALL
),

compared AS (
    SELECT
        period_start,
        item_code,
        uom_code,
        CAST(coalesce(streamed.quantity, 0) AS DECIMAL(18, 4)) AS events_quantity,
        CAST(coalesce(ordered.quantity, 0) AS DECIMAL(18, 4)) AS lines_quantity,
        coalesce(streamed.number, 0) AS event_count,
        coalesce(ordered.number, 0) AS line_count
    FROM streamed
    FULL OUTER JOIN ordered USING (period_start, item_code, uom_code)
    WHERE period_start >= {first}
)

SELECT
    *,
    CAST(events_quantity - lines_quantity AS DECIMAL(18, 4)) AS difference_quantity,
    CASE
        WHEN period_start + INTERVAL 1 {by} + to_seconds({after_hours} * 3600)
            > timezone({zone}, timezone('UTC', {now})) THEN 'open'
        WHEN abs(events_quantity - lines_quantity)
            <= greatest({tolerance} * abs(lines_quantity), {tolerance_quantity}) THEN 'converged'
        ELSE 'break'
    END AS state
FROM compared
ORDER BY period_start, item_code, uom_code
