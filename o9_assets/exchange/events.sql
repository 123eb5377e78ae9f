-- Events as o9's measure group takes them: one cell an event, in the partial week of its day.
-- From:  events   see raw.demand_events, with op, channel_code and uom_code
--        buckets  bucket_start, bucket_end, bucket_label
SELECT
    events.event_id,
    events.event_date,
    buckets.bucket_start,
    buckets.bucket_label,
    events.item_code,
    events.location_code,
    coalesce(events.channel_code, 'ALL') AS channel_code,
    CASE WHEN events.op <> 'D' THEN events.quantity END AS quantity,
    events.changed_at,
    events.change_seq,
    events.arrived_at,
    coalesce(events.partition_key, '') AS partition_key,
    CASE
        WHEN events.op <> 'D' AND events.uom_code <> {base_uom}
            THEN 'the quantity is in ' || events.uom_code || ', not in ' || {base_uom}
    END AS reason,
    events.partition_name,
    events.position,
    events.sub_position,
    events.line
FROM (
    SELECT *, CAST(timezone({zone}, timezone('UTC', event_at)) AS DATE) AS event_date
    FROM {events}
    WHERE event_at IS NOT NULL
) AS events
INNER JOIN buckets ON events.event_date BETWEEN buckets.bucket_start AND buckets.bucket_end
