"""o9's outbound plan files, taken in through the landing zone like any other source."""

from typing import Any

from o9_assets.assets.raw.feed_asset import build_feed
from o9_assets.dataset import Column, Dataset
from o9_assets.landing.datasets import LINEAGE
from o9_assets.planning.settings import Settings

O9_PLAN = Dataset(
    "raw.o9_plan",
    "One row per version of a plan cell that o9 dropped: item × location × channel × partial week and measure.",
    (
        Column("plan_cycle", "string", "Planning cycle of the plan, as in the file", True),
        Column("version_name", "string", "o9 version, such as CurrentWorkingView", True),
        Column("item_code", "string", "Item", True),
        Column("location_code", "string", "Location", True),
        Column("channel_code", "string", "Channel; ALL where the company plans without", True),
        Column("bucket_label", "string", "Partial week, in o9's label", True),
        Column("measure_name", "string", "o9 measure, such as Stat Fcst", True),
        Column("quantity", "decimal(18,4)", "Quantity in base units", True),
        *LINEAGE,
    ),
    key=("plan_cycle", "version_name", "item_code", "location_code", "channel_code", "bucket_label", "measure_name"),
)


def build(settings: Settings) -> list[Any]:
    """The asset and its checks."""
    # In o9's group: drawn among the sources, it would turn the flow of groups into a circle.
    return build_feed(settings, O9_PLAN, page=__doc__ or "", deps=(("o9", "outbound_plan"),), group="o9")
