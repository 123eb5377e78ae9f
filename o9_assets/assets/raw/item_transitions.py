"""Item transitions: which item replaces which, and from when."""

from typing import Any

from o9_assets.assets.raw.feed_asset import build_feed
from o9_assets.dataset import Column, Dataset
from o9_assets.landing.datasets import LINEAGE
from o9_assets.planning.settings import Settings

ITEM_TRANSITIONS = Dataset(
    "raw.item_transitions",
    "One row per version of a transition from an item to its successor.",
    (
        Column("from_item_code", "string", "Item that goes", True),
        Column("to_item_code", "string", "Item that replaces it", True),
        Column("effective_date", "date", "First day on which the successor is ordered", True),
        *LINEAGE,
    ),
    key=("from_item_code", "to_item_code"),
)


def build(settings: Settings) -> list[Any]:
    """The asset and its checks."""
    return build_feed(settings, ITEM_TRANSITIONS, page=__doc__ or "")
