"""Promotions as the trade-promotion system sends them."""

from typing import Any

from o9_assets.assets.raw.feed_asset import build_feed
from o9_assets.dataset import Column, Dataset
from o9_assets.landing.datasets import LINEAGE
from o9_assets.planning.settings import Settings

PROMOTIONS = Dataset(
    "raw.promotions",
    "One row per version of a promotion of an item at a location (or everywhere).",
    (
        Column("promotion_id", "string", "Promotion", True),
        Column("item_code", "string", "Item promoted", True),
        Column("location_code", "string", "Location; `*` for all", True),
        Column("start_date", "date", "First day", True),
        Column("end_date", "date", "Last day", True),
        Column("promotion_type", "string", "Kind of promotion"),
        Column("discount_fraction", "decimal(18,6)", "Price cut as a fraction of list price"),
        *LINEAGE,
    ),
    key=("promotion_id", "item_code", "location_code"),
)


def build(settings: Settings) -> list[Any]:
    """The asset and its checks."""
    return build_feed(settings, PROMOTIONS, page=__doc__ or "")
