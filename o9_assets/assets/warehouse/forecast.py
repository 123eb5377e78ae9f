"""Forecast facts by week: the platform's own and o9's plan side by side, at the grain that the settings forecast at."""

from typing import Any

import dagster as dg

from o9_assets.assets.cycles import cycle_partitions
from o9_assets.assets.declare import dataset_asset
from o9_assets.assets.forecast.predictions import PREDICTIONS
from o9_assets.assets.raw.o9_plan import O9_PLAN
from o9_assets.assets.warehouse.items import ITEMS
from o9_assets.assets.warehouse.loading import AGREES, MEMBERS, checks
from o9_assets.assets.warehouse.locations import LOCATIONS
from o9_assets.assets.warehouse.weeks import WEEKS
from o9_assets.dataset import Column, Dataset
from o9_assets.planning.settings import Settings
from o9_assets.resources.configured import EngineResource, LakeResource, WarehouseResource

FORECAST = Dataset(
    "warehouse.forecast",
    "One row per cycle, source, measure, series and week. Rows of two sources at the same grain can be compared.",
    (
        Column("cycle", "string", "Planning cycle, the ISO date of its first day", True),
        Column("source", "string", "platform (our own forecast) or o9 (the plan that came back)", True),
        Column("measure_name", "string", "o9's measure, such as Stat Fcst; `forecast` for our own", True),
        Column("item_code", "string", "Item", True),
        Column("location_code", "string", "Location; ALL where forecasts are by item", True),
        Column("channel_code", "string", "Channel; ALL where forecasts are without", True),
        Column("week_start", "date", "Week forecast", True),
        Column("lag_weeks", "int32", "Weeks ahead, 1 being the cycle's own week", True),
        Column("mean_quantity", "double", "Mean, base units", True),
        Column("p10_quantity", "double", "10 % quantile, base units; null for o9"),
        Column("p90_quantity", "double", "90 % quantile, base units; null for o9"),
        Column("method", "string", "Method of our own forecast; null for o9"),
    ),
    key=("cycle", "source", "measure_name", "item_code", "location_code", "channel_code", "week_start"),
)
PLAN_CELLS = """
CREATE OR REPLACE TEMP VIEW plan_cells AS
SELECT * FROM o9_plan WHERE plan_cycle = '{cycle}' AND version_name = {version}
QUALIFY op <> 'D' AND row_number() OVER (
    PARTITION BY plan_cycle, version_name, item_code, location_code, channel_code, bucket_label, measure_name
    ORDER BY changed_at DESC, change_seq DESC, known_at DESC, object_name DESC, line DESC
) = 1
"""
SOURCE = """
SELECT
    cycle, 'platform' AS source, 'forecast' AS measure_name, item_code, location_code, channel_code, week_start,
    lag_weeks, mean_quantity, p10_quantity, p90_quantity, method
FROM predictions
UNION ALL
SELECT
    plan_cycle, 'o9', measure_name, {grain}, week_start, date_diff('day', DATE '{cycle}', week_start) // 7 + 1,
    sum(quantity), NULL, NULL, NULL
FROM plan_cells JOIN buckets USING (bucket_label)
GROUP BY ALL
"""
# Plan cells whose label no week of the calendar bears are in the lake's sum and so break the comparison.
LAKE_TOTALS = """
SELECT
    (SELECT count(*) FROM predictions) AS platform_rows,
    (SELECT sum(mean_quantity) FROM predictions) AS platform_quantity,
    (SELECT CAST(sum(quantity) AS DOUBLE) FROM plan_cells) AS o9_quantity
"""
WAREHOUSE_TOTALS = """
SELECT
    count(*) FILTER (source = 'platform') AS platform_rows,
    sum(mean_quantity) FILTER (source = 'platform') AS platform_quantity,
    sum(mean_quantity) FILTER (source = 'o9') AS o9_quantity
FROM warehouse.forecast WHERE {slice}
"""


def grain_columns(settings: Settings) -> str:
    """Select list that brings rows of items, locations and channels to the grain of forecasts."""
    columns = {"item": "item_code", "location": "location_code", "channel": "channel_code"}
    return ", ".join(c if name in settings.forecast.grain else f"'ALL' AS {c}" for name, c in columns.items())


def build(settings: Settings) -> list[Any]:
    has_plan = "o9_plan" in settings.feeds
    deps = [PREDICTIONS.asset_key, ITEMS.asset_key, LOCATIONS.asset_key, WEEKS.asset_key]

    @dataset_asset(
        FORECAST,
        kinds={"duckdb"},
        deps=[*deps, O9_PLAN.asset_key] if has_plan else deps,
        pool="warehouse",
        partitions_def=cycle_partitions(settings),
        check_specs=checks(FORECAST, AGREES, MEMBERS),
    )
    def forecast(
        context: dg.AssetExecutionContext, lake: LakeResource, engine: EngineResource, warehouse: WarehouseResource
    ) -> dg.MaterializeResult:
        from datetime import date, timedelta

        from o9_assets.assets.warehouse.loading import fill, lacking
        from o9_assets.landing.accepted import accepted_view
        from o9_assets.planning.calendar import Calendar
        from o9_assets.resources.lake import equal

        cycle = date.fromisoformat(context.partition_key)
        within = f"cycle = '{cycle}'"
        version = "'" + settings.o9.version.replace("'", "''") + "'"
        opened, file = lake.open(), warehouse.open()
        with engine.open().connect() as con, file.attached(con):
            opened.view(con, "predictions", PREDICTIONS, where=equal("cycle", context.partition_key))
            accepted_view(con, opened, O9_PLAN, "o9_plan", "o9_plan")
            calendar = Calendar(settings.calendar)
            con.register("buckets", calendar.buckets_table(cycle - timedelta(weeks=26), cycle + timedelta(weeks=106)))
            con.execute(PLAN_CELLS.format(cycle=cycle, version=version)).fetchall()
            return fill(
                con,
                file,
                FORECAST,
                SOURCE.format(cycle=cycle, grain=grain_columns(settings)),
                where=within,
                lake_totals=LAKE_TOTALS,
                warehouse_totals=WAREHOUSE_TOTALS.format(slice=within),
                lacking=lacking("warehouse.forecast", within),
            )

    return [forecast]
