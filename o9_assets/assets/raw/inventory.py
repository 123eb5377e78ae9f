"""Stock on hand per day, by which a zero in demand is told from a stock-out."""

from typing import Any

from o9_assets.assets.raw.feed_asset import build_feed
from o9_assets.dataset import Column, Dataset
from o9_assets.landing.datasets import LINEAGE
from o9_assets.planning.settings import Settings

INVENTORY = Dataset(
    "raw.inventory",
    "One row per item, ship-to location and day: what could be sold there that day.",
    (
        Column("item_code", "string", "Item", True),
        Column("location_code", "string", "Location that the stock serves", True),
        Column("snapshot_date", "date", "Day of the count", True),
        Column("on_hand_quantity", "decimal(18,4)", "Stock in `uom_code`; zero or less is out of stock", True),
        Column("uom_code", "string", "Unit of measure"),
        *LINEAGE,
    ),
    key=("item_code", "location_code", "snapshot_date"),
)


def build(settings: Settings) -> list[Any]:
    """The asset and its checks."""
    return build_feed(settings, INVENTORY, page=__doc__ or "")
