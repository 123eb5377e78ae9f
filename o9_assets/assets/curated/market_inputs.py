"""What datasets of the market are made from, registered on a DuckDB connection: third-party feeds, items, regions."""

from typing import TYPE_CHECKING

from o9_assets.assets.curated.items import ITEMS
from o9_assets.assets.curated.locations import LOCATIONS
from o9_assets.assets.raw.data_exchange_drivers import DATA_EXCHANGE_DRIVERS
from o9_assets.assets.raw.data_exchange_products import DATA_EXCHANGE_PRODUCTS
from o9_assets.assets.raw.data_exchange_sell_out import DATA_EXCHANGE_SELL_OUT
from o9_assets.dataset import Dataset
from o9_assets.planning.settings import Settings

if TYPE_CHECKING:
    import duckdb

    from o9_assets.resources.lake import Lake

__all__ = [
    "DRIVERS_FEED",
    "PRODUCTS_FEED",
    "SELL_OUT_FEED",
    "places",
    "register_feed",
    "register_items",
    "register_regions",
]

SELL_OUT_FEED, DRIVERS_FEED, PRODUCTS_FEED = "data_exchange_sell_out", "data_exchange_drivers", "data_exchange_products"
# Apart from the feeds of demand history: that is not made anew for the sake of these.
DATASETS: dict[str, Dataset] = {
    SELL_OUT_FEED: DATA_EXCHANGE_SELL_OUT,
    DRIVERS_FEED: DATA_EXCHANGE_DRIVERS,
    PRODUCTS_FEED: DATA_EXCHANGE_PRODUCTS,
}


def register_feed(con: "duckdb.DuckDBPyConnection", lake: "Lake", settings: Settings, feed: str, name: str) -> Dataset:
    """Register the accepted rows of a third-party feed as `name`: typed and empty where the company lacks it."""
    from o9_assets.landing.accepted import accepted_view
    from o9_assets.resources.lake import isin

    if feed in settings.feeds:
        accepted_view(con, lake, DATASETS[feed], feed, name)
    else:
        lake.view(con, name, DATASETS[feed], where=isin("object_id", []))
    return DATASETS[feed]


def register_items(con: "duckdb.DuckDBPyConnection", lake: "Lake") -> None:
    """Leave `known_items`."""
    lake.view(con, "items", ITEMS)
    con.execute("CREATE OR REPLACE TEMP TABLE known_items AS SELECT DISTINCT item_code FROM items")


def register_regions(con: "duckdb.DuckDBPyConnection", lake: "Lake", settings: Settings) -> None:
    """Leave `known_regions` and `region_names`: our regions, and what providers call them."""
    from o9_assets.market.queries import region_names

    lake.view(con, "locations", LOCATIONS)
    con.execute(
        "CREATE OR REPLACE TEMP TABLE known_regions AS "
        "SELECT DISTINCT region_name FROM locations WHERE region_name IS NOT NULL"
    )
    region_names(con, settings.third_party.regions)


def places(con: "duckdb.DuckDBPyConnection", settings: Settings) -> None:
    """Leave `places` over `locations`: location_code, region_name, from_at, to_at by the planning grain.

    What was before a location's first period counts with it. Planning by customer, the region is that of the
    customer's locations where they have one in common.
    """
    if settings.grain.location == "customer_code":
        con.execute(
            "CREATE OR REPLACE TEMP TABLE places AS SELECT customer_code AS location_code, "
            "min(region_name) AS region_name, TIMESTAMP '0001-01-01' AS from_at, TIMESTAMP '9999-01-01' AS to_at "
            "FROM locations WHERE is_current AND customer_code IS NOT NULL "
            "GROUP BY customer_code HAVING count(DISTINCT region_name) = 1"
        )
        return
    con.execute(
        "CREATE OR REPLACE TEMP TABLE places AS SELECT location_code, region_name, "
        "CASE WHEN row_number() OVER (PARTITION BY location_code ORDER BY valid_from_at) = 1 "
        "THEN TIMESTAMP '0001-01-01' ELSE valid_from_at END AS from_at, "
        "coalesce(valid_to_at, TIMESTAMP '9999-01-01') AS to_at FROM locations"
    )
