"""Ship-to locations as the ERP or CRM sends them: every version."""

from typing import Any

from o9_assets.assets.raw.feed_asset import build_feed
from o9_assets.dataset import Column, Dataset
from o9_assets.landing.datasets import LINEAGE
from o9_assets.planning.settings import Settings

ERP_LOCATIONS = Dataset(
    "raw.erp_locations",
    "One row per version of a ship-to location, as landed and typed.",
    (
        Column("location_code", "string", "Location", True),
        Column("location_name", "string", "Text"),
        Column("customer_code", "string", "Customer or account it belongs to"),
        Column("region_name", "string", "Sales region"),
        Column("country_code", "string", "Country"),
        Column("channel_code", "string", "Sales channel"),
        *LINEAGE,
    ),
    key=("location_code",),
)


def build(settings: Settings) -> list[Any]:
    """The asset and its checks."""
    return build_feed(settings, ERP_LOCATIONS, page=__doc__ or "")
