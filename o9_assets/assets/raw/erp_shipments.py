"""Shipments (deliveries) as the ERP or the warehouse system sends them: every version."""

from typing import Any

from o9_assets.assets.raw.feed_asset import build_feed
from o9_assets.dataset import Column, Dataset
from o9_assets.landing.datasets import LINEAGE
from o9_assets.planning.settings import Settings

ERP_SHIPMENTS = Dataset(
    "raw.erp_shipments",
    "One row per version of a shipment line, as landed and typed.",
    (
        Column("shipment_id", "string", "Delivery number", True),
        Column("shipment_line", "string", "Line within the delivery", True),
        Column("order_id", "string", "Order that it serves"),
        Column("order_line", "string", "Order line that it serves"),
        Column("item_code", "string", "Item shipped", True),
        Column("location_code", "string", "Ship-to location", True),
        Column("channel_code", "string", "Sales channel; null where the company has none"),
        Column("ship_date", "date", "Day it left, in the company's time zone", True, on_calendar=True),
        Column("quantity", "decimal(18,4)", "Shipped quantity in `uom_code`", True),
        Column("uom_code", "string", "Unit of measure"),
        *LINEAGE,
    ),
    key=("shipment_id", "shipment_line"),
)


def build(settings: Settings) -> list[Any]:
    """The asset and its checks."""
    return build_feed(settings, ERP_SHIPMENTS, page=__doc__ or "")
