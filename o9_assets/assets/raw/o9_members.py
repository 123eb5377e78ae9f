"""Members of o9's dimensions, as o9 gave them in each cycle, taken in through the landing zone: every version."""

from typing import Any

from o9_assets.assets.raw.feed_asset import build_feed
from o9_assets.dataset import Column, Dataset
from o9_assets.landing.datasets import LINEAGE
from o9_assets.planning.settings import Settings

O9_MEMBERS = Dataset(
    "raw.o9_members",
    "One row per version of a member that o9 gave: dimension × member × planning cycle.",
    (
        Column("plan_cycle", "string", "Planning cycle in which o9 was asked", True),
        Column("dimension_name", "string", "o9 dimension, such as Item", True),
        Column("member_name", "string", "Member", True),
        Column("attributes_text", "string", "Its attributes as a JSON object; null where it has none"),
        *LINEAGE,
    ),
    key=("plan_cycle", "dimension_name", "member_name"),
)


def build(settings: Settings) -> list[Any]:
    """The asset and its checks."""
    return build_feed(settings, O9_MEMBERS, page=__doc__ or "", deps=(("o9", "outbound_members"),), group="o9")
