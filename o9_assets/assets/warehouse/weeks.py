"""The week dimension of the warehouse: what weeks are called, and the month, quarter and fiscal period they fall in.

It reaches from the first week of demand to a year after the last week of demand or forecast.
"""

from datetime import date, timedelta
from typing import Any

import dagster as dg

from o9_assets.assets.curated.demand_history import DEMAND_HISTORY
from o9_assets.assets.declare import dataset_asset
from o9_assets.assets.forecast.predictions import PREDICTIONS
from o9_assets.assets.warehouse.loading import AGREES, checks
from o9_assets.dataset import Column, Dataset
from o9_assets.planning.settings import Settings
from o9_assets.resources.configured import EngineResource, LakeResource, WarehouseResource

WEEKS = Dataset(
    "warehouse.weeks",
    "One row per week, by the company's calendar. A week belongs to the month and the fiscal period of its first day.",
    (
        Column("week_start", "date", "First day", True),
        Column("week_end", "date", "Last day", True),
        Column("week_label", "string", "What the company calls it", True),
        Column("month_start", "date", "First day of the (fiscal) month of its first day", True),
        Column("month_label", "string", "What the company calls that month", True),
        Column("fiscal_year", "int32", "Fiscal year", True),
        Column("fiscal_quarter", "int32", "Fiscal quarter, 1 to 4", True),
        Column("fiscal_month", "int32", "Fiscal month, 1 to 12", True),
        Column("fiscal_week", "int32", "Week of the fiscal year", True),
        Column("iso_year", "int32", "ISO year", True),
        Column("iso_week", "int32", "ISO week", True),
    ),
    key=("week_start",),
)
SOURCE = """
SELECT week_start, week_start + 6 AS week_end, arg_min(COLUMNS(* EXCLUDE (week_start, bucket_start, bucket_end, days,
    bucket_label)), bucket_start)
FROM buckets GROUP BY week_start
"""
NOTHING = date(2000, 1, 1), date(1990, 1, 1)  # a reach that holds no week, for a lake without demand
TOTALS = (
    "SELECT count(DISTINCT week_start) AS weeks, min(week_start) AS first_week, max(week_start) AS last_week FROM {}"
)


def build(settings: Settings) -> list[Any]:
    @dataset_asset(
        WEEKS,
        kinds={"duckdb"},
        deps=[DEMAND_HISTORY.asset_key, PREDICTIONS.asset_key],
        pool="warehouse",
        check_specs=checks(WEEKS, AGREES),
    )
    def weeks(
        context: dg.AssetExecutionContext, lake: LakeResource, engine: EngineResource, warehouse: WarehouseResource
    ) -> dg.MaterializeResult:
        from o9_assets.assets.warehouse.loading import fill
        from o9_assets.planning.calendar import Calendar

        opened, file = lake.open(), warehouse.open()
        with engine.open().connect() as con, file.attached(con):
            opened.view(con, "demand_history", DEMAND_HISTORY, columns=["week_start"])
            opened.view(con, "predictions", PREDICTIONS, columns=["week_start"])
            ((first, last),) = con.execute(
                "SELECT min(week_start), max(week_start) FROM (FROM demand_history UNION ALL FROM predictions)"
            ).fetchall()
            if first is None:
                first, last = NOTHING
            con.register("buckets", Calendar(settings.calendar).buckets_table(first, last + timedelta(weeks=54)))
            return fill(
                con,
                file,
                WEEKS,
                SOURCE,
                lake_totals=TOTALS.format("buckets"),
                warehouse_totals=TOTALS.format("warehouse.weeks"),
            )

    return [weeks]
