"""Drivers of demand (weather, an economic index) for methods that learn from them, by series."""

from __future__ import annotations

from typing import TYPE_CHECKING

from o9_assets.assets.curated.drivers import DRIVERS
from o9_assets.assets.curated.locations import LOCATIONS
from o9_assets.assets.curated.market_inputs import DRIVERS_FEED
from o9_assets.failures import Permanent
from o9_assets.planning.settings import Settings

if TYPE_CHECKING:
    import duckdb

    from o9_assets.forecasting.drivers import Drivers
    from o9_assets.forecasting.series import Series
    from o9_assets.resources.lake import Lake

__all__ = ["driver_deps", "drivers_of"]


def driver_deps(settings: Settings) -> list[list[str]]:
    """The dataset that drivers come from, where the company has the feed and wants drivers."""
    return [DRIVERS.asset_key] if DRIVERS_FEED in settings.feeds and settings.forecast.drivers != () else []


def drivers_of(con: duckdb.DuckDBPyConnection, settings: Settings, lake: Lake, series: Series) -> Drivers | None:
    """The drivers that the settings name, and the regions of each series; None where there is none.

    A series of a location (or of a customer) has its present regions, one of all locations has every region, and one
    whose region is not known has what holds everywhere. Raises Permanent for a driver that the feed never brought.
    """
    from o9_assets.forecasting.drivers import Drivers

    if not driver_deps(settings):
        return None
    lake.view(con, "drivers", DRIVERS)
    lake.view(con, "locations", LOCATIONS)
    there = [name for (name,) in con.execute("SELECT DISTINCT driver_name FROM drivers ORDER BY 1").fetchall()]
    wanted = there if settings.forecast.drivers is None else list(settings.forecast.drivers)
    if not there or not wanted:
        return None
    if strange := [name for name in wanted if name not in there]:
        raise Permanent(
            f"forecast.drivers names {', '.join(strange)}, which the feed never brought.",
            remedy=f"It brings {', '.join(there)}.",
        )
    values = con.execute(
        "SELECT driver_name, region_name, CAST(week_start AS TIMESTAMP) AS ds, known_from_at AS known_from, "
        "driver_value FROM drivers WHERE list_contains($wanted, driver_name) AND issue IS NULL "
        "ORDER BY driver_name, region_name, ds, known_from_at",
        {"wanted": wanted},
    ).df()
    con.register("series_keys", series.keys)
    place = "customer_code" if settings.grain.location == "customer_code" else "location_code"
    places = con.execute(
        f"""
        SELECT DISTINCT k.unique_id, coalesce(l.region_name, '*') AS region_name
        FROM series_keys AS k LEFT JOIN (SELECT * FROM locations WHERE is_current AND region_name IS NOT NULL) AS l
            ON k.location_code IN (l.{place}, 'ALL')
        ORDER BY 1, 2
        """
    ).df()
    values = values.astype({"ds": "datetime64[ns]", "known_from": "datetime64[ns]"})
    return Drivers(values, places) if len(values) else None
