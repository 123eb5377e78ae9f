"""Product reference: which of our items a GTIN, or a retailer's own code, stands for.

It comes through AWS Data Exchange (docs/third_party.md). `curated/sell_out` maps by it.
"""

from typing import Any

from o9_assets.assets.raw.feed_asset import build_feed
from o9_assets.dataset import Column, Dataset
from o9_assets.landing.datasets import LINEAGE
from o9_assets.planning.settings import Settings

DATA_EXCHANGE_PRODUCTS = Dataset(
    "raw.data_exchange_products",
    "One row per version of a product's entry; with a retailer's code it holds for that retailer.",
    (
        Column("gtin", "string", "Number on the pack (GTIN-8 to GTIN-14, leading zeros are no matter)", True),
        Column("retailer_code", "string", "Retailer whose code follows; empty for all"),
        Column("retailer_item_code", "string", "That retailer's own code of the product"),
        Column("item_code", "string", "Our item", True),
        Column("base_units_per_pack", "decimal(18,6)", "Base units of the item in one pack; 1 where left out"),
        Column("product_name", "string", "Text"),
        *LINEAGE,
    ),
    key=("gtin", "retailer_code", "retailer_item_code"),
)


def build(settings: Settings) -> list[Any]:
    """The asset and its checks."""
    return build_feed(settings, DATA_EXCHANGE_PRODUCTS, page=__doc__ or "")
