"""Locations with their history: which region a location belonged to when.

Made from the location master and the planning locations that orders name. A period begins when the source says that
something changed; versions that say nothing new make no period.
"""

from typing import TYPE_CHECKING, Any

import dagster as dg

from o9_assets.assets.curated.inputs import feed_view, log_settings, raw_deps, session
from o9_assets.assets.curated.masters import replace_if_changed
from o9_assets.assets.declare import dataset_asset
from o9_assets.automation import after_new_input
from o9_assets.dataset import Column, Dataset
from o9_assets.planning.settings import Settings
from o9_assets.resources.configured import ClockResource, EngineResource, LakeResource

if TYPE_CHECKING:
    from datetime import datetime

    import duckdb

    from o9_assets.resources.engine import Engine
    from o9_assets.resources.lake import Lake

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


def register(
    con: "duckdb.DuckDBPyConnection", lake: "Lake", settings: Settings, *, as_of: "datetime | None" = None
) -> None:
    """Leave the tables `locations` and `places` (location_code, customer_code), as known at a moment or now."""
    from o9_assets.demand.parameters import parameters
    from o9_assets.demand.queries import query
    from o9_assets.demand.steps import table, view

    given = parameters(settings)
    feed_view(con, lake, settings, "erp_locations", "location_versions", as_of=as_of)
    feed_view(con, lake, settings, "erp_orders", "accepted_orders", as_of=as_of)
    view(con, "order_locations", query("order_locations", given))
    table(con, "locations", query("locations", given))
    table(con, "places", "SELECT location_code, customer_code FROM locations WHERE is_current")


def make(settings: Settings, lake: "Lake", engine: "Engine", now: "datetime") -> dict[str, Any]:
    """Bring the table up to date; returns what there is to tell."""
    log_settings(lake, settings, now)
    with session(engine) as con:
        register(con, lake, settings)
        changed = replace_if_changed(con, lake, LOCATIONS, "locations")
        [(rows, current, in_master)] = con.execute(
            "SELECT count(*), count(*) FILTER (WHERE is_current), count(*) FILTER (WHERE is_current AND in_master) "
            "FROM locations"
        ).fetchall()
    return {
        "dagster/row_count": rows,
        "current": current,
        "in a master": in_master,
        "named by orders only": current - in_master,
        "rows changed": changed,
    }


def build(settings: Settings) -> list[Any]:
    @dataset_asset(
        LOCATIONS,
        kinds={"iceberg", "duckdb"},
        deps=raw_deps(settings, "erp_locations", "erp_orders"),
        automation=after_new_input(),
    )
    def locations(
        context: dg.AssetExecutionContext, lake: LakeResource, engine: EngineResource, clock: ClockResource
    ) -> dg.MaterializeResult:
        return dg.MaterializeResult(metadata=make(settings, lake.open(), engine.open(), clock.now()))

    @dg.asset_check(
        asset=locations,
        name="periods_follow_each_other",
        blocking=True,
        description="No location has two rows that hold at one time.",
    )
    def periods_follow_each_other(lake: LakeResource, engine: EngineResource) -> dg.AssetCheckResult:
        with engine.open().connect() as con:
            lake.open().view(con, "locations", LOCATIONS)
            wrong = con.execute(
                """
                SELECT DISTINCT location_code FROM (
                    SELECT location_code, valid_from_at, lag(valid_to_at) OVER w AS ended, lag(true) OVER w AS follows
                    FROM locations WINDOW w AS (PARTITION BY location_code ORDER BY valid_from_at)
                ) WHERE follows AND (ended IS NULL OR ended > valid_from_at) LIMIT 10
                """
            ).fetchall()
        return dg.AssetCheckResult(
            passed=not wrong,
            description=f"periods overlap: {', '.join(code for (code,) in wrong)}" if wrong else None,
        )

    return [locations, periods_follow_each_other]
