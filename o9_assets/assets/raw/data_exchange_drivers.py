"""Drivers of demand that others measure and foresee: weather, prices, an economic index, by region and week.

They come through AWS Data Exchange (docs/third_party.md). A provider publishes a week first as an outlook and then as
it was; every version is kept with the moment from which it was known (`known_at` of the feed), so that a forecast of
the past uses what was known then.
"""

from typing import Any

from o9_assets.assets.raw.feed_asset import build_feed
from o9_assets.dataset import Column, Dataset
from o9_assets.landing.datasets import LINEAGE
from o9_assets.planning.settings import Settings

DATA_EXCHANGE_DRIVERS = Dataset(
    "raw.data_exchange_drivers",
    "One row per version of a driver's value in a region and week.",
    (
        Column("driver_name", "string", "What is measured, such as temperature_c", True),
        Column("region_name", "string", "Region, as the provider calls it; `*` for everywhere", True),
        Column("week_end_date", "date", "Last day of the provider's week", True),
        Column("driver_value", "double", "The value, in the provider's unit", True),
        *LINEAGE,
    ),
    key=("driver_name", "region_name", "week_end_date"),
)


def build(settings: Settings) -> list[Any]:
    """The asset and its checks."""
    return build_feed(settings, DATA_EXCHANGE_DRIVERS, page=__doc__ or "")
