"""The exchange's tables: what o9 holds by our books, the delivery under way, requests, corrections, refused cells, and
the files that were collected."""

from o9_assets.dataset import Column, Dataset

__all__ = [
    "CORRECTIONS",
    "DEMAND_EXPORT",
    "HELD",
    "KEY",
    "LEDGER",
    "MEASURES",
    "OUTBOUND_FILES",
    "PLANNED",
    "REJECTED",
]

MEASURES = ("orders_quantity", "returns_quantity", "shipments_quantity", "orders_value")
KEY = ("bucket_start", "item_code", "location_code", "channel_code")

PLACE = (
    Column("month_start", "date", "First day of the month that holds the bucket", True),
    Column("bucket_start", "date", "First day of the partial week", True),
    Column("item_code", "string", "Item; o9's column is in the settings under o9.columns.item", True),
    Column("location_code", "string", "Location; o9.columns.location", True),
    Column("channel_code", "string", "Channel; o9.columns.channel, not sent where that is not set", True),
    Column("bucket_label", "string", "Partial week in o9's label; o9.columns.time", True),
)
CELL = (*PLACE, *(Column(measure, "decimal(18,4)", f"o9.measures.{measure}") for measure in MEASURES))
BEFORE = tuple(Column(f"was_{measure}", "decimal(18,4)", f"{measure} as o9 held it before") for measure in MEASURES)
CHANGE = Column("change", "string", "new, replaced, or retracted (taken away, all measures null)", True)
DELIVERY = Column("delivery_id", "string", "The delivery", True)

DEMAND_EXPORT = Dataset(
    "o9.demand_export",
    "One row per cell of demand history that o9 accepted: what o9 holds, by our books.",
    (*CELL, Column("delivery_id", "string", "The delivery that brought it", True)),
    key=KEY,
    partition_by=("month_start",),
)

PLANNED = Dataset(
    "o9.planned_cells",
    "One row per cell of the last delivery, as it is to be in o9 and as it was there; written before anything is sent.",
    (
        *CELL,
        *BEFORE,
        CHANGE,
        DELIVERY,
        Column("chunk_no", "int64", "The request that carries it, from 0", True),
        Column("row_no", "int64", "Its place in the request, from 0", True),
    ),
    key=("chunk_no", "row_no"),
)

LEDGER = Dataset(
    "o9.delivery_ledger",
    "One row per request whose outcome is known. A chunk that has none here is looked up in o9 before it is sent.",
    (
        DELIVERY,
        Column("chunk_no", "int64", "The chunk, from 0; one that had to be halved has several requests", True),
        Column("chunk_id", "string", "SHA-256 of the request's rows; o9 sees it as BatchId", True),
        Column("row_count", "int64", "Rows in the request", True),
        Column(
            "outcome", "string", "accepted; found (o9 held the rows already); refused (the request as a whole)", True
        ),
        Column("receipt", "string", "o9's receipt of an accepted request"),
        Column("attempts", "int64", "Requests made until there was an answer; 0 where the rows were found", True),
        Column("rejected_count", "int64", "Rows that o9 refused", True),
        Column("planned_at", "timestamp", "When the delivery was planned (UTC)", True),
        Column("settled_at", "timestamp", "When the outcome was known (UTC)", True),
    ),
    key=("delivery_id", "chunk_no", "chunk_id"),
)

REJECTED = Dataset(
    "o9.rejected_cells",
    "One row per cell that o9 refused, with o9's reason. It is sent again when it changes, when the member that o9 "
    "lacked is there, or when a person asks for it.",
    (
        *CELL,
        DELIVERY,
        Column("chunk_no", "int64", "The chunk that held it", True),
        Column("reason", "string", "o9's reason", True),
        Column("missing_members", "string", "Members of the cell that o9 does not have, such as Item A1; else null"),
        Column("rejected_at", "timestamp", "When (UTC)", True),
        Column("resolved_at", "timestamp", "When o9 took the cell after all, or it was no longer wanted (UTC)"),
    ),
    key=("delivery_id", *KEY),
)

CORRECTIONS = Dataset(
    "o9.corrections",
    "One row per published cell that a delivery replaced or retracted, as it was and as it became.",
    (*CELL, *BEFORE, CHANGE, DELIVERY, Column("corrected_at", "timestamp", "When it was planned (UTC)", True)),
    key=("delivery_id", *KEY),
)

HELD = Dataset(
    "o9.held_corrections",
    "One row per correction of published history that waits for a person's approval: as o9 holds it, and as it would "
    "become. Only where the settings say `o9.corrections: hold`.",
    (
        *CELL,
        *BEFORE,
        CHANGE,
        Column("difference_id", "string", "What is approved: a hash of all that is held", True),
        Column("held_at", "timestamp", "When it was found (UTC)", True),
    ),
    key=KEY,
)

OUTBOUND_FILES = Dataset(
    "o9.outbound_files",
    "One row per file of o9's outbound folder that was brought into the landing zone, under its name there.",
    (
        Column("object_name", "string", "The file below the landing zone's root", True),
        Column("size_bytes", "int64", "Its size in o9's folder when it was brought", True),
        Column("modified_at", "timestamp", "When it was changed there, by the host's clock (UTC)", True),
        Column("brought_at", "timestamp", "When it was brought (UTC)", True),
    ),
    key=("object_name",),
)
