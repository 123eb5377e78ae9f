"""Order lines as the order system sends them: every version of every line that ever landed."""

from typing import Any

from o9_assets.assets.raw.feed_asset import build_feed
from o9_assets.dataset import Column, Dataset
from o9_assets.landing.datasets import LINEAGE
from o9_assets.planning.settings import Settings

ERP_ORDERS = Dataset(
    "raw.erp_orders",
    "One row per version of an order line, as landed and typed. Nothing is corrected here; later versions and "
    "deletions are rows of their own.",
    (
        Column("order_id", "string", "Order or invoice number", True),
        Column("order_line", "string", "Line within the order", True),
        Column("item_code", "string", "Item as ordered", True),
        Column("location_code", "string", "Ship-to location (or country, plant, as the settings say)", True),
        Column("channel_code", "string", "Sales channel; null where the company has none"),
        Column("customer_code", "string", "Customer or account; null where the source has none"),
        Column("item_name", "string", "Item text on the line"),
        Column("order_date", "date", "Day of the order in the company's time zone", True, on_calendar=True),
        Column("ordered_at", "timestamp", "Moment of the order (UTC), where the source has a time"),
        Column("requested_date", "date", "Day the customer asked for; null where unknown", on_calendar=True),
        Column("quantity", "decimal(18,4)", "Ordered quantity in `uom_code`; negative where the source books so", True),
        Column("uom_code", "string", "Unit of measure of the quantity"),
        Column("unit_price", "decimal(18,4)", "Price per `uom_code` in the company's currency"),
        Column("cancels_order_id", "string", "Order whose line this one cancels, where the source names it"),
        Column("cancels_order_line", "string", "Line that this one cancels"),
        *LINEAGE,
    ),
    key=("order_id", "order_line"),
)


def build(settings: Settings) -> list[Any]:
    """The asset and its checks."""
    return build_feed(settings, ERP_ORDERS, page=__doc__ or "")
