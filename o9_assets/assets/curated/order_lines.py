"""Order lines in their latest version, each with its kind and its quantity in base units."""

from o9_assets.dataset import Column, Dataset

ORDER_LINES = Dataset(
    "curated.order_lines",
    "One row per order line that stands: its latest version, deletions honoured. A line that cannot count as demand "
    "is kept and says why in `issue`.",
    (
        Column("order_month", "date", "First day of the month of `order_date`; the partition", True),
        Column("key_hash", "int64", "Hash of order_id and order_line, by which changes find a line's partition", True),
        Column("order_id", "string", "Order or invoice number", True),
        Column("order_line", "string", "Line within the order", True),
        Column("kind", "string", "sale, return, cancellation, cancelled, or a kind that the settings name", True),
        Column("counts_as", "string", "orders, returns or none: the demand measure it adds to", True),
        Column("item_code", "string", "Item as ordered", True),
        Column("location_code", "string", "Planning location", True),
        Column("channel_code", "string", "Channel; ALL where the company plans without", True),
        Column("customer_code", "string", "Customer; null where the source has none"),
        Column("order_date", "date", "Day of the order", True),
        Column("demand_date", "date", "Day the demand falls on: the settings choose order or requested date", True),
        Column("quantity", "decimal(18,4)", "As ordered, in `uom_code`", True),
        Column("uom_code", "string", "Unit of measure as ordered"),
        Column("base_quantity", "decimal(18,4)", "Quantity in base units; null where it cannot be converted"),
        Column("value", "decimal(18,4)", "quantity × unit price, company currency; null without a price"),
        Column("issue", "string", "Why the line does not count, such as unknown_uom; null where it counts"),
        Column("changed_at", "timestamp", "Change time of this version (UTC)", True),
        Column("change_seq", "int64", "Sequence among equal change times", True),
        Column("known_at", "timestamp", "When this version became known (UTC)", True),
        Column("object_id", "string", "Landed object it came from", True),
        Column("object_name", "string", "Name of that object", True),
        Column("line", "int64", "Record in that object", True),
    ),
    key=("order_id", "order_line"),
    partition_by=("order_month",),
)
