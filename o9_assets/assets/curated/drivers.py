"""Drivers of demand by region and week, each value with the moment from which it was known.

A forecast of any moment, past ones included, reads what was known then and nothing later: that is why every version is
kept. History that came with a driver's first delivery is taken as published with the delay that this delivery shows.
"""

from typing import TYPE_CHECKING, Any

import dagster as dg

from o9_assets.assets.curated.inputs import session
from o9_assets.assets.curated.locations import LOCATIONS
from o9_assets.assets.curated.market_inputs import DRIVERS_FEED, register_feed, register_regions
from o9_assets.assets.curated.masters import replace_if_changed
from o9_assets.assets.declare import dataset_asset
from o9_assets.assets.pictures import new_figure, picture
from o9_assets.assets.tables import table
from o9_assets.automation import after_new_input
from o9_assets.dataset import Column, Dataset
from o9_assets.planning.settings import Settings
from o9_assets.resources.configured import EngineResource, LakeResource

if TYPE_CHECKING:
    from o9_assets.resources.engine import Engine
    from o9_assets.resources.lake import Lake

__all__ = ["DRIVERS", "build", "make"]

DRIVERS = Dataset(
    "curated.drivers",
    "One row per driver, region, week and moment at which a value of it became known.",
    (
        Column("driver_name", "string", "What is measured, such as temperature_c", True),
        Column("region_name", "string", "Region of our locations, or `*` for everywhere", True),
        Column("week_start", "date", "First day of our week that holds the middle of the provider's", True),
        Column("known_from_at", "timestamp", "From when a forecast may use it (UTC)", True),
        Column("driver_value", "double", "The value, in the provider's unit; null where the provider took it back"),
        Column("is_outlook", "boolean", "True where it was published before the week was over", True),
        Column("issue", "string", "unknown_region where none of our locations has the region; null where sound"),
        Column("known_at", "timestamp", "When this version became known to us (UTC)", True),
        Column("object_name", "string", "Landed object that holds it", True),
        Column("line", "int64", "Record in that object", True),
    ),
    key=("driver_name", "region_name", "week_start", "known_from_at"),
)


def make(settings: Settings, lake: "Lake", engine: "Engine") -> dict[str, Any]:
    """Bring the table up to date; returns what there is to tell."""
    from o9_assets.market.queries import drivers

    with session(engine) as con:
        register_feed(con, lake, settings, DRIVERS_FEED, "driver_versions")
        register_regions(con, lake, settings)
        drivers(con, settings.calendar.week_start, settings.timezone)
        changed = replace_if_changed(con, lake, DRIVERS, "drivers")
        rows = con.execute(
            "SELECT driver_name, count(*), count(DISTINCT region_name), min(week_start), "
            "max(week_start) FILTER (WHERE NOT is_outlook), max(week_start) FROM drivers GROUP BY 1 ORDER BY 1"
        ).fetchall()
        latest = con.execute(
            "SELECT driver_name, region_name, week_start, arg_max(driver_value, known_from_at), "
            "bool_and(is_outlook) FROM drivers GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
        ).fetchall()
    columns = {"driver": "string", "rows": "int", "regions": "int"}
    columns |= dict.fromkeys(("from", "measured to", "foreseen to"), "string")
    metadata: dict[str, Any] = {
        "dagster/row_count": sum(row[1] for row in rows),
        "rows changed": changed,
        "drivers": table(columns, [(d, n, r, str(a), str(m), str(b)) for d, n, r, a, m, b in rows]),
    }
    if latest:
        metadata["latest values"] = _picture(latest)
    return metadata


def _picture(latest: list[tuple[Any, ...]]) -> dg.MarkdownMetadataValue:
    """Two years of each driver by region; weeks that are only foreseen are dotted."""
    names = sorted({row[0] for row in latest})
    figure = new_figure(9, 2.2 * len(names) + 0.4)
    for axes, driver in zip(figure.subplots(len(names), squeeze=False)[:, 0], names, strict=True):
        for region in sorted({row[1] for row in latest if row[0] == driver}):
            found = [row for row in latest if row[:2] == (driver, region)][-104:]
            [line] = axes.plot(
                [r[2] for r in found if not r[4]], [r[3] for r in found if not r[4]], label=region, linewidth=1
            )
            ahead = [r for r in found if r[4]]
            axes.plot([r[2] for r in ahead], [r[3] for r in ahead], color=line.get_color(), linestyle=":")
        axes.set_title(driver, fontsize=9)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(fontsize=7, frameon=False, ncols=4)
    return picture(figure, "Drivers by region")


def build(settings: Settings) -> list[Any]:
    """The asset and its checks, where the company has the feed."""
    if DRIVERS_FEED not in settings.feeds:
        return []

    @dataset_asset(
        DRIVERS,
        kinds={"iceberg", "duckdb"},
        deps=[["raw", DRIVERS_FEED], LOCATIONS.asset_key],
        automation=after_new_input(),
    )
    def drivers(context: dg.AssetExecutionContext, lake: LakeResource, engine: EngineResource) -> dg.MaterializeResult:
        return dg.MaterializeResult(metadata=make(settings, lake.open(), engine.open()))

    @dg.asset_check(
        asset=drivers,
        name="regions_known",
        description="Every driver is of a region of ours, or holds everywhere; others are named.",
    )
    def regions_known(lake: LakeResource, engine: EngineResource) -> dg.AssetCheckResult:
        with session(engine.open()) as con:
            lake.open().view(con, "drivers", DRIVERS)
            strange = con.execute(
                "SELECT region_name, count(*) FROM drivers WHERE issue IS NOT NULL GROUP BY 1 ORDER BY 2 DESC, 1"
            ).fetchall()
        named = ", ".join(f"{region} ({rows:,} rows)" for region, rows in strange[:10])
        return dg.AssetCheckResult(
            passed=not strange,
            severity=dg.AssetCheckSeverity.WARN,
            description=f"no location of ours is in {named}; third_party.regions can rename them" if strange else None,
        )

    return [drivers, regions_known]
