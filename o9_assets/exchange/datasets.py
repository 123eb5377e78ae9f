"""The exchange's tables: what o9 holds by our books, deliveries on their way, their receipts, and what o9 refused."""

from o9_assets.dataset import Column, Dataset

__all__ = ["DEMAND_EXPORT", "LEDGER", "PLANNED", "REJECTED"]

CELL = (
    Column("month_start", "date", "First day of the month that holds the bucket", True),
    Column("bucket_start", "date", "First day of the partial week", True),
    Column("item_code", "string", "Item; o9's column is in the settings under o9.columns.item", True),
    Column("location_code", "string", "Location; o9.columns.location", True),
    Column("channel_code", "string", "Channel; o9.columns.channel, not sent where that is not set", True),
    Column("bucket_label", "string", "Partial week in o9's label; o9.columns.time", True),
    Column("orders_quantity", "decimal(18,4)", "o9.measures.orders_quantity"),
    Column("returns_quantity", "decimal(18,4)", "o9.measures.returns_quantity"),
    Column("shipments_quantity", "decimal(18,4)", "o9.measures.shipments_quantity"),
    Column("orders_value", "decimal(18,4)", "o9.measures.orders_value"),
)
KEY = ("bucket_start", "item_code", "location_code", "channel_code")

DEMAND_EXPORT = Dataset(
    "o9.demand_export",
    "One row per cell of demand history that o9 accepted: what o9 holds, by our books.",
    (*CELL, Column("delivery_id", "string", "The delivery that brought it", True)),
    key=KEY,
    partition_by=("month_start",),
)

PLANNED = Dataset(
    "o9.planned_cells",
    "One row per cell of a delivery that is under way: as it is to be in o9. All measures null takes the cell away.",
    (
        *CELL,
        Column("delivery_id", "string", "The delivery", True),
        Column("chunk_no", "int64", "The request that carries it, from 0", True),
    ),
    key=("delivery_id", *KEY),
)

LEDGER = Dataset(
    "o9.delivery_ledger",
    "One row per request of a delivery: planned before the first is sent, with o9's receipt once it is accepted.",
    (
        Column("delivery_id", "string", "The delivery: a hash of its requests", True),
        Column("chunk_no", "int64", "The request's place, from 0", True),
        Column("chunk_id", "string", "SHA-256 of the request's rows; o9 sees it as BatchId", True),
        Column("row_count", "int64", "Rows in it", True),
        Column("planned_at", "timestamp", "When it was planned (UTC)", True),
        Column("sent_at", "timestamp", "When its receipt came, or when it was found in o9 (UTC)"),
        Column("receipt", "string", "o9's receipt; found where o9 held the rows already when they were looked for"),
        Column("attempts", "int64", "Requests made for it, 0 where it was found"),
        Column("rejected_count", "int64", "Rows that o9 refused"),
    ),
    key=("delivery_id", "chunk_no"),
)

REJECTED = Dataset(
    "o9.rejected_cells",
    "One row per cell that o9 refused, with o9's reason. It is sent again when it changes.",
    (
        *CELL,
        Column("delivery_id", "string", "The delivery", True),
        Column("reason", "string", "o9's reason", True),
        Column("rejected_at", "timestamp", "When (UTC)", True),
    ),
    key=("delivery_id", *KEY),
)
