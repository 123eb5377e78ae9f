-- The versions of events that o9 is to get: the latest of each event, where o9 does not hold it or a later one.
-- From:  cells      see events.sql: events of new ingests
--        new_raw    see raw.demand_events: the same ingests, tombstones among them
--        forwarded  see o9.demand_events: versions that o9 took
-- An event that moved to another cell has a second row, without a quantity, which takes the old cell back.
-- A later version that says nothing new is not sent (is_sent): it is kept, so that an earlier one that comes late is old.
WITH held AS (
    SELECT * FROM forwarded
    QUALIFY row_number() OVER (PARTITION BY event_id ORDER BY changed_at DESC, change_seq DESC, arrived_at DESC) = 1
),

known AS (
    SELECT event_id, event_date, bucket_start, bucket_label, item_code, location_code, channel_code FROM held
    UNION ALL
    SELECT event_id, event_date, bucket_start, bucket_label, item_code, location_code, channel_code FROM cells
    WHERE event_id NOT IN (SELECT event_id FROM held)
),

told AS (
    SELECT
        event_id, event_date, bucket_start, bucket_label, item_code, location_code, channel_code, quantity,
        changed_at, change_seq, arrived_at, partition_key, reason, line
    FROM cells
    UNION ALL
    -- A tombstone takes back the cell of the version that came before it, in o9 or in the same ingests.
    SELECT
        raw.event_id, known.event_date, known.bucket_start, known.bucket_label, known.item_code,
        known.location_code, known.channel_code, NULL AS quantity, raw.changed_at, raw.change_seq, raw.arrived_at,
        coalesce(raw.partition_key, '') AS partition_key, NULL AS reason, raw.line
    FROM new_raw AS raw
    INNER JOIN known ON known.event_id = raw.event_id
    WHERE raw.event_at IS NULL
),

latest AS (
    SELECT * FROM told
    QUALIFY row_number() OVER (
        PARTITION BY event_id ORDER BY changed_at DESC, change_seq DESC, arrived_at DESC, line DESC
    ) = 1
),

compared AS (
    SELECT
        latest.*,
        held.event_id AS held_event_id,
        held.event_date AS held_date,
        held.bucket_start AS held_start,
        held.bucket_label AS held_label,
        held.item_code AS held_item,
        held.location_code AS held_location,
        held.channel_code AS held_channel,
        held.quantity AS held_quantity,
        coalesce(
            held.bucket_start <> latest.bucket_start
            OR held.item_code <> latest.item_code
            OR held.location_code <> latest.location_code
            OR held.channel_code <> latest.channel_code,
            false
        ) AS moved,
        coalesce(
            held.changed_at > latest.changed_at
            OR (held.changed_at = latest.changed_at AND held.change_seq > latest.change_seq),
            false
        ) AS is_older,
        coalesce(
            held.changed_at < latest.changed_at
            OR (held.changed_at = latest.changed_at AND held.change_seq < latest.change_seq),
            true
        ) AS is_newer
    FROM latest
    LEFT JOIN held ON held.event_id = latest.event_id
),

chosen AS (
    SELECT *, moved OR reason IS NOT NULL OR held_quantity IS DISTINCT FROM quantity AS is_sent FROM compared
    WHERE NOT is_older
        AND (is_newer OR moved OR reason IS NOT NULL OR held_quantity IS DISTINCT FROM quantity)
)

SELECT
    event_id, event_date, bucket_start, bucket_label, item_code, location_code, channel_code, quantity,
    changed_at, change_seq, arrived_at, partition_key, reason, line, 1 AS part, is_sent
FROM chosen
UNION ALL
SELECT
    event_id, held_date, held_start, held_label, held_item, held_location, held_channel, NULL,
    changed_at, change_seq, arrived_at, partition_key, NULL, line, 0 AS part, true AS is_sent
FROM chosen
WHERE moved AND reason IS NULL AND held_quantity IS NOT NULL
