"""Item master as the ERP sends it: every version of every item."""

from typing import Any

from o9_assets.assets.raw.feed_asset import build_feed
from o9_assets.dataset import Column, Dataset
from o9_assets.landing.datasets import LINEAGE
from o9_assets.planning.settings import Settings

ERP_ITEMS = Dataset(
    "raw.erp_items",
    "One row per version of an item, as landed and typed.",
    (
        Column("item_code", "string", "Item", True),
        Column("item_name", "string", "Text"),
        Column("brand_name", "string", "Brand"),
        Column("category_name", "string", "Category"),
        Column("base_uom_code", "string", "Unit that planning counts in"),
        Column("list_price", "decimal(18,4)", "List price per base unit, company currency"),
        Column("listed_from_date", "date", "First day on which it can be ordered"),
        Column("delisted_from_date", "date", "First day on which it can no longer be ordered"),
        *LINEAGE,
    ),
    key=("item_code",),
)


def build(settings: Settings) -> list[Any]:
    """The asset and its checks."""
    return build_feed(settings, ERP_ITEMS, page=__doc__ or "")
