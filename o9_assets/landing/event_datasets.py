"""Events of a stream: what they say (PAYLOAD, which a stream's mapping fills), and the raw dataset, which knows where
each of them stands in its stream as well."""

from dataclasses import replace

from o9_assets.dataset import Column, Dataset
from o9_assets.landing.datasets import LINEAGE

__all__ = ["CONVERGENCE", "DEMAND_EVENTS", "PAYLOAD", "PLACE"]

PLACE = (
    Column("partition_name", "string", "Shard of Kinesis, or partition of the topic", True),
    Column("position", "string", "Sequence number or offset of the record in its partition", True),
    Column("sub_position", "int64", "Its number within a record that the producer packed, from 0", True),
    Column("partition_key", "string", "Key that the producer gave it"),
    Column("arrived_at", "timestamp", "When the stream took it (UTC)", True),
    Column("is_late", "boolean", "Whether it arrived later after its time than the settings allow"),
)

PAYLOAD = Dataset(
    "raw.demand_events",
    "What an event says.",
    (
        Column("event_id", "string", "The event; the same id again is the same event, in a later version", True),
        Column("event_type", "string", "Kind of event, as the source calls it"),
        Column("event_at", "timestamp", "When it happened (UTC)", True),
        Column("item_code", "string", "Item", True),
        Column("location_code", "string", "Location", True),
        Column("channel_code", "string", "Sales channel"),
        Column("customer_code", "string", "Customer or account"),
        Column("order_id", "string", "Order that the event belongs to"),
        Column("order_line", "string", "Line of the order"),
        Column("quantity", "decimal(18,4)", "Change of demand in `uom_code`: negative where it takes away", True),
        Column("uom_code", "string", "Unit of measure of the quantity"),
        Column("unit_price", "decimal(18,4)", "Price per `uom_code` in the company's currency"),
        *LINEAGE,
    ),
    key=("event_id",),
)

DEMAND_EVENTS = Dataset(
    "raw.demand_events",
    "One row per record of the stream that is an event. Late, repeated and taken-back events are rows of their own.",
    # A tombstone names nothing but its event: beside that and the platform's own columns nothing is required of a row.
    # That an event lacks something is found when it is judged.
    (*(replace(c, required=c.required and (c in LINEAGE or c.name == "event_id")) for c in PAYLOAD.columns), *PLACE),
    key=PAYLOAD.key,
)

CONVERGENCE = Dataset(
    "curated.event_convergence",
    "One row per item, unit and period (a day or an hour of the company's time zone): the stream's total beside that "
    "of the order feed.",
    (
        Column("period_start", "timestamp", "First moment of the period, in the company's time zone", True),
        Column("item_code", "string", "Item", True),
        Column("uom_code", "string", "Unit of measure, as ordered", True),
        Column("events_quantity", "decimal(18,4)", "Total of the stream's events, each in its latest version", True),
        Column("lines_quantity", "decimal(18,4)", "Total of standing order lines that count as orders", True),
        Column("event_count", "int64", "Events", True),
        Column("line_count", "int64", "Order lines", True),
        Column("difference_quantity", "decimal(18,4)", "Events less lines", True),
        Column("state", "string", "converged, break, or open (the period is not due yet)", True),
    ),
    key=("period_start", "item_code", "uom_code"),
)
