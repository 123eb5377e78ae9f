"""Segments of series: ABC by value, XYZ by variation, and the demand class by ADI and CV².

They tell the forecast which methods are worth trying on which series, and a planner where attention pays. The grain is
the forecast's.
"""

from collections import Counter
from typing import TYPE_CHECKING, Any

import dagster as dg

from o9_assets.assets.curated.demand_history import DEMAND_HISTORY
from o9_assets.assets.curated.inputs import session
from o9_assets.assets.curated.masters import replace_if_changed
from o9_assets.assets.declare import dataset_asset
from o9_assets.automation import after_new_input
from o9_assets.dataset import Column, Dataset
from o9_assets.planning.settings import Settings
from o9_assets.resources.configured import EngineResource, LakeResource

if TYPE_CHECKING:
    from o9_assets.resources.engine import Engine
    from o9_assets.resources.lake import Lake

DEMAND_SEGMENTS = Dataset(
    "curated.demand_segments",
    "One row per item, location and channel with its segment, over the window that the settings name.",
    (
        Column("item_code", "string", "Item", True),
        Column("location_code", "string", "Location; ALL where forecasts are by item", True),
        Column("channel_code", "string", "Channel; ALL where forecasts are without", True),
        Column("abc_class", "string", "A, B or C by cumulative share of value (cut-offs in the settings)", True),
        Column("xyz_class", "string", "X, Y or Z by coefficient of variation of weekly demand", True),
        Column("demand_class", "string", "smooth, erratic, intermittent, lumpy, or new (too few weeks)", True),
        Column("adi_weeks", "double", "Average interval between weeks with demand, weeks"),
        Column("cv2", "double", "Squared coefficient of variation of non-zero weekly demand"),
        Column("value_share", "double", "Share of total value, 0..1"),
        Column("week_count", "int64", "Known weeks in the window", True),
    ),
    key=("item_code", "location_code", "channel_code"),
)


def make(settings: Settings, lake: "Lake", engine: "Engine") -> dict[str, Any]:
    """Bring the table up to date; returns what there is to tell."""
    from o9_assets.demand.parameters import parameters
    from o9_assets.demand.queries import query
    from o9_assets.demand.steps import table

    given = parameters(settings)
    with session(engine) as con:
        lake.view(con, "history", DEMAND_HISTORY)
        table(con, "weeks", query("weeks", given))
        table(con, "segments", query("demand_segments", given))
        replace_if_changed(con, lake, DEMAND_SEGMENTS, "segments")
        rows = con.execute("SELECT abc_class, xyz_class, demand_class FROM segments").fetchall()
    classes, demand = Counter((a, x) for a, x, _ in rows), Counter(row[2] for row in rows)
    matrix = ["| | X | Y | Z |", "|---|---:|---:|---:|"]
    matrix += [f"| **{a}** | " + " | ".join(f"{classes[a, x]:,}" for x in "XYZ") + " |" for a in "ABC"]
    return {
        "dagster/row_count": len(rows),
        "ABC × XYZ": dg.MetadataValue.md("\n".join(matrix)),
        "demand classes": dg.MetadataValue.md("\n".join(f"- {name}: {n:,}" for name, n in sorted(demand.items()))),
    }


def build(settings: Settings) -> list[Any]:
    @dataset_asset(
        DEMAND_SEGMENTS,
        kinds={"iceberg", "duckdb"},
        deps=[DEMAND_HISTORY.asset_key],
        automation=after_new_input(),
    )
    def demand_segments(
        context: dg.AssetExecutionContext, lake: LakeResource, engine: EngineResource
    ) -> dg.MaterializeResult:
        return dg.MaterializeResult(metadata=make(settings, lake.open(), engine.open()))

    @dg.asset_check(
        asset=demand_segments,
        name="every_series_has_one_segment",
        blocking=True,
        description="No series without a segment, and none with two.",
    )
    def every_series_has_one_segment(lake: LakeResource, engine: EngineResource) -> dg.AssetCheckResult:
        from o9_assets.demand.parameters import parameters

        given = parameters(settings)
        room = lake.open()
        with session(engine.open()) as con:
            room.view(con, "h", DEMAND_HISTORY)
            room.view(con, "segments", DEMAND_SEGMENTS)
            series = f"{given['week_item']}, {given['week_location']}, {given['week_channel']}"
            [(wanted, found, rows)] = con.execute(
                f"""
                SELECT (SELECT count(*) FROM (SELECT DISTINCT {series} FROM h)),
                (SELECT count(*) FROM (SELECT DISTINCT item_code, location_code, channel_code FROM segments)),
                (SELECT count(*) FROM segments)
                """
            ).fetchall()
        return dg.AssetCheckResult(
            passed=wanted == found == rows,
            description=f"{wanted:,} series, {found:,} of them in {rows:,} segments",
        )

    return [demand_segments, every_series_has_one_segment]
