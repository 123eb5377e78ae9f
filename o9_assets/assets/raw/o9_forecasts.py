"""o9's forecasts in long form, taken in through the landing zone like any other source: every version.

Statistical forecast, planners' adjustments, consensus and what is published are measures of one table.
"""

from typing import Any

from o9_assets.assets.raw.feed_asset import build_feed
from o9_assets.dataset import Column, Dataset
from o9_assets.landing.datasets import LINEAGE
from o9_assets.planning.settings import Settings

O9_FORECASTS = Dataset(
    "raw.o9_forecasts",
    "One row per version of a forecast cell and measure that o9 gave: item × location × channel × partial week.",
    (
        Column("plan_cycle", "string", "Planning cycle in which o9 was asked", True),
        Column("version_name", "string", "o9 version, such as CurrentWorkingView", True),
        Column("item_code", "string", "Item", True),
        Column("location_code", "string", "Location", True),
        Column("channel_code", "string", "Channel; ALL where the company plans without", True),
        Column("bucket_label", "string", "Partial week, in o9's label", True),
        Column("measure_name", "string", "o9 measure, such as Consensus Fcst", True),
        Column("quantity", "decimal(18,4)", "Quantity in base units", True),
        *LINEAGE,
    ),
    key=("plan_cycle", "version_name", "item_code", "location_code", "channel_code", "bucket_label", "measure_name"),
)


def build(settings: Settings) -> list[Any]:
    """The asset and its checks."""
    return build_feed(settings, O9_FORECASTS, page=__doc__ or "", deps=(("o9", "outbound_forecasts"),), group="o9")
