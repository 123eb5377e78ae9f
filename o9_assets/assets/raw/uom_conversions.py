"""Units of measure per item with effective dates."""

from typing import Any

from o9_assets.assets.raw.feed_asset import build_feed
from o9_assets.dataset import Column, Dataset
from o9_assets.landing.datasets import LINEAGE
from o9_assets.planning.settings import Settings

UOM_CONVERSIONS = Dataset(
    "raw.uom_conversions",
    "One row per item, unit and first day of validity: how many base units one unit holds.",
    (
        Column("item_code", "string", "Item; `*` for every item", True),
        Column("uom_code", "string", "Unit", True),
        Column("valid_from_date", "date", "First day of validity", True),
        Column("factor", "decimal(18,6)", "Base units in one `uom_code`; above zero", True),
        *LINEAGE,
    ),
    key=("item_code", "uom_code", "valid_from_date"),
)


def build(settings: Settings) -> list[Any]:
    """The asset and its checks."""
    return build_feed(settings, UOM_CONVERSIONS, page=__doc__ or "")
