"""Demand history: what was ordered, shipped and returned, on a complete spine of partial weeks."""

from o9_assets.dataset import Column, Dataset

DEMAND_HISTORY = Dataset(
    "curated.demand_history",
    "One row per item, location, channel and partial week from the first sale to the last complete delivery. "
    "A measure is null, never zero, where it is unknown or the company has no such feed. Weeks are sums of these rows.",
    (
        Column("month_start", "date", "First day of the (fiscal) month that holds the bucket; the partition", True),
        Column("bucket_start", "date", "First day of the partial week", True),
        Column("week_start", "date", "First day of the week that holds it", True),
        Column("item_code", "string", "Item", True),
        Column("location_code", "string", "Planning location", True),
        Column("channel_code", "string", "Channel; ALL where the company plans without", True),
        Column("state", "string", "sold, true_zero, missing, out_of_stock, not_yet_listed or delisted", True),
        Column("orders_quantity", "decimal(18,4)", "Ordered, base units, without returns; null where missing"),
        Column("returns_quantity", "decimal(18,4)", "Returned, base units, negative as booked; null where missing"),
        Column("shipments_quantity", "decimal(18,4)", "Shipped, base units; null without a shipment feed"),
        Column("orders_value", "decimal(18,4)", "Value of orders, company currency; null where missing"),
        Column("order_line_count", "int64", "Order lines behind orders_quantity and returns_quantity", True),
        Column("is_complete", "boolean", "Every object that the delivery calendar expects is in", True),
        Column("out_of_stock_days", "int32", "Days without stock; null without an inventory feed"),
        Column("promotion_days", "int32", "Days on promotion; null without a promotion feed"),
        Column("days", "int32", "Days in the partial week", True),
    ),
    key=("bucket_start", "item_code", "location_code", "channel_code"),
    partition_by=("month_start",),
)
