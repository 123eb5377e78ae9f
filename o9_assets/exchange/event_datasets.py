"""The tables of forwarded events: the delivery under way, what o9 took, and what it did not (dead letters)."""

from o9_assets.dataset import Column, Dataset
from o9_assets.exchange.datasets import DELIVERY

__all__ = ["DEAD_EVENTS", "FORWARDED", "PLANNED_EVENTS"]

EVENT = (
    Column("event_id", "string", "The event; o9's column is in the settings under o9.streaming.event", True),
    Column("event_date", "date", "Day of the event in the company's time zone", True),
    Column("bucket_start", "date", "First day of the partial week", True),
    Column("bucket_label", "string", "Partial week in o9's label", True),
    Column("item_code", "string", "Item", True),
    Column("location_code", "string", "Location", True),
    Column("channel_code", "string", "Channel; ALL where the event has none", True),
    Column("quantity", "decimal(18,4)", "Change of demand in base units; null takes the event back in o9"),
    Column("changed_at", "timestamp", "When the source changed the event (UTC)", True),
    Column("change_seq", "int64", "The source's sequence among equal change times", True),
    Column("arrived_at", "timestamp", "When the stream took it (UTC)", True),
    Column("partition_key", "string", "Key whose events keep their order"),
)

PLANNED_EVENTS = Dataset(
    "o9.planned_events",
    "One row per event of the last delivery of events; written before anything is sent.",
    (
        *EVENT,
        DELIVERY,
        Column(
            "chunk_no",
            "int64",
            "The request that carries it, from 0; -1 where it cannot be sent, -2 where it says nothing new",
            True,
        ),
        Column("row_no", "int64", "Its place in the request, from 0", True),
        Column("reason", "string", "Why it is not sent"),
    ),
    key=("chunk_no", "row_no"),
)

FORWARDED = Dataset(
    "o9.demand_events",
    "One row per version of an event that o9 accepted, or that said nothing new. What it holds of an event is the "
    "latest of them.",
    (*EVENT, DELIVERY, Column("accepted_at", "timestamp", "When its delivery was settled (UTC)", True)),
    key=("delivery_id", "event_id"),
)

DEAD_EVENTS = Dataset(
    "o9.dead_events",
    "One row per event that was not forwarded for good, with the reason: o9 refuses it, or its unit is not the base "
    "unit. A later version of the event is tried again.",
    (
        *EVENT,
        DELIVERY,
        Column("chunk_no", "int64", "The request that carried it; -1 where it was not sent", True),
        Column("reason", "string", "o9's reason, or ours", True),
        Column("refused_at", "timestamp", "When (UTC)", True),
    ),
    key=("delivery_id", "event_id", "bucket_start", "item_code", "location_code", "channel_code"),
)
