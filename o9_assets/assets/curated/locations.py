"""Locations with their history: which region a location belonged to when."""

from o9_assets.dataset import Column, Dataset

LOCATIONS = Dataset(
    "curated.locations",
    "One row per location and period of unchanged attributes; the current one has no end.",
    (
        Column("location_code", "string", "Location", True),
        Column("valid_from_at", "timestamp", "From when these attributes hold (UTC, the source's change time)", True),
        Column("valid_to_at", "timestamp", "Until when (exclusive); null for the current row"),
        Column("is_current", "boolean", "True for the row that holds now", True),
        Column("location_name", "string", "Text"),
        Column("customer_code", "string", "Customer or account"),
        Column("region_name", "string", "Sales region"),
        Column("country_code", "string", "Country"),
        Column("channel_code", "string", "Sales channel"),
        Column("in_master", "boolean", "False where only orders name the location", True),
    ),
    key=("location_code", "valid_from_at"),
)
