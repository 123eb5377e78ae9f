"""Syndicated sell-out: what shops sold to consumers, as a data provider counts it, by retailer, region and week.

It comes through AWS Data Exchange (docs/third_party.md). Items carry the retailer's codes and regions the provider's;
`curated/sell_out` maps both.
"""

from typing import Any

from o9_assets.assets.raw.feed_asset import build_feed
from o9_assets.dataset import Column, Dataset
from o9_assets.landing.datasets import LINEAGE
from o9_assets.planning.settings import Settings

DATA_EXCHANGE_SELL_OUT = Dataset(
    "raw.data_exchange_sell_out",
    "One row per version of a retailer's sales of an item in a region and week.",
    (
        Column("retailer_code", "string", "Retailer, as the provider calls it", True),
        Column("retailer_item_code", "string", "The retailer's own code of the item", True),
        Column("gtin", "string", "Number on the pack, where the provider gives it"),
        Column("region_name", "string", "Region, as the provider calls it", True),
        Column("week_end_date", "date", "Last day of the provider's week", True),
        Column("quantity", "decimal(18,4)", "Packs sold to consumers; below zero where more came back", True),
        Column("sales_value", "decimal(18,4)", "What consumers paid, company currency"),
        *LINEAGE,
    ),
    key=("retailer_code", "retailer_item_code", "region_name", "week_end_date"),
)


def build(settings: Settings) -> list[Any]:
    """The asset and its checks."""
    return build_feed(settings, DATA_EXCHANGE_SELL_OUT, page=__doc__ or "")
