"""Accuracy facts: how far forecasts were off, by cycle, item, weeks ahead and source.

Published forecasts are measured when their weeks are known, which is after later cycles; each run measures all of
them again. The backtest of a cycle says at once how good its methods were on the past. WAPE is Σ|F−A| / Σ|A| and bias
Σ(F−A) / Σ|A|, positive being over-forecast; both are kept with their sums, since percentages are never averaged.
"""

from typing import Any

import dagster as dg

from o9_assets.assets.cycles import cycle_partitions
from o9_assets.assets.declare import dataset_asset
from o9_assets.assets.forecast.backtest import BACKTEST
from o9_assets.assets.warehouse.demand import DEMAND
from o9_assets.assets.warehouse.forecast import FORECAST, grain_columns
from o9_assets.assets.warehouse.loading import AGREES, checks
from o9_assets.dataset import Column, Dataset
from o9_assets.planning.settings import Settings
from o9_assets.resources.configured import EngineResource, LakeResource, WarehouseResource

ACCURACY = Dataset(
    "warehouse.accuracy",
    "One row per cycle, basis, source, measure, item and weeks ahead. Sources of a cycle are measured on the same "
    "cells: those that each of them forecast and whose demand is known, complete and was not out of stock everywhere. "
    "What a cycle forecast with an item's successor is measured with it.",
    (
        Column("cycle", "string", "Planning cycle, the ISO date of its first day", True),
        Column("basis", "string", "published (a cycle's forecast against what came) or backtest", True),
        Column("source", "string", "platform, o9, or reference (the method that a champion had to beat)", True),
        Column("measure_name", "string", "o9's measure; `forecast` for our own", True),
        Column("item_code", "string", "Item", True),
        Column("lag_weeks", "int32", "Weeks ahead, 1 being the first", True),
        Column("cell_count", "int64", "Series and weeks measured", True),
        Column("forecast_quantity", "double", "ΣF, base units", True),
        Column("actual_quantity", "double", "ΣA, base units", True),
        Column("absolute_error_quantity", "double", "Σ|F−A|, base units", True),
        Column("absolute_actual_quantity", "double", "Σ|A|, base units", True),
        Column("wape", "double", "Σ|F−A| / Σ|A|; null where nothing was ordered"),
        Column("bias", "double", "Σ(F−A) / Σ|A|; null where nothing was ordered"),
    ),
    key=("cycle", "basis", "source", "measure_name", "item_code", "lag_weeks"),
)
PUBLISHED = """
CREATE OR REPLACE TEMP VIEW published AS
WITH weeks AS (
    SELECT
        week_start, {grain}, sum(orders_quantity) AS quantity,
        bool_and(is_whole AND is_complete) AS is_known, bool_and(state = 'out_of_stock') AS is_out_of_stock
    FROM (
        -- History ends with the last delivery, which may be in the midst of a week; a series may begin in one.
        SELECT *, days = 7 OR week_start = min(week_start) OVER (PARTITION BY item_code, location_code, channel_code)
            AS is_whole
        FROM warehouse.demand
    )
    WHERE state NOT IN ('not_yet_listed', 'delisted')
    GROUP BY ALL
)
, forecasts AS (  -- a plan may still plan what was replaced on its own
    SELECT
        cycle, source, measure_name, coalesce(successor_item_code, f.item_code) AS item_code, location_code,
        channel_code, week_start, lag_weeks, sum(mean_quantity) AS forecast
    FROM warehouse.forecast AS f LEFT JOIN successors USING (cycle, item_code)
    WHERE lag_weeks >= 1
    GROUP BY ALL
)
, actuals AS (  -- as weekly.sql, from which forecasts are made, brings items together and knows their weeks
    SELECT
        cycle, week_start, coalesce(successor_item_code, w.item_code) AS item_code, location_code, channel_code,
        CAST(sum(quantity) AS DOUBLE) AS actual
    FROM weeks AS w
    JOIN (SELECT DISTINCT cycle, week_start FROM forecasts) USING (week_start)
    LEFT JOIN successors USING (cycle, item_code)
    GROUP BY ALL
    HAVING bool_and(is_known) AND NOT bool_and(is_out_of_stock)
)
, cells AS (
    SELECT
        *,
        list_sort(
            list((source, measure_name)) OVER (PARTITION BY cycle, item_code, location_code, channel_code, week_start)
        ) AS sources
    FROM forecasts JOIN actuals USING (cycle, week_start, item_code, location_code, channel_code)
)
SELECT cycle, 'published' AS basis, source, measure_name, item_code, lag_weeks, forecast, actual
FROM cells
-- The same rows for every source: those of as many sources as can be compared, and of the sources with most of them.
SEMI JOIN (
    SELECT cycle, sources FROM cells GROUP BY cycle, sources
    QUALIFY row_number() OVER (PARTITION BY cycle ORDER BY len(sources) DESC, count(*) DESC, sources) = 1
) USING (cycle, sources)
"""
BACKTESTED = """
CREATE OR REPLACE TEMP VIEW backtested AS
SELECT
    cycle, 'backtest' AS basis, source, 'forecast' AS measure_name, item_code, lag_weeks,
    forecast_quantity AS forecast, actual_quantity AS actual
FROM (  -- a method may be both
    SELECT *, 'platform' AS source FROM backtest WHERE is_champion
    UNION ALL
    SELECT *, 'reference' FROM backtest WHERE is_reference
)
WHERE actual_quantity IS NOT NULL
"""
SOURCE = """
SELECT
    cycle, basis, source, measure_name, item_code, lag_weeks,
    count(*) AS cell_count,
    sum(forecast) AS forecast_quantity,
    sum(actual) AS actual_quantity,
    sum(abs(forecast - actual)) AS absolute_error_quantity,
    sum(abs(actual)) AS absolute_actual_quantity,
    sum(abs(forecast - actual)) / nullif(sum(abs(actual)), 0) AS wape,
    sum(forecast - actual) / nullif(sum(abs(actual)), 0) AS bias
FROM (FROM published UNION ALL FROM backtested)
GROUP BY ALL
"""
LAKE_TOTALS = "SELECT count(*) AS cells, sum(abs(forecast - actual)) AS absolute_error FROM backtested"
WAREHOUSE_TOTALS = """
SELECT CAST(coalesce(sum(cell_count), 0) AS BIGINT) AS cells, sum(absolute_error_quantity) AS absolute_error
FROM warehouse.accuracy WHERE basis = 'backtest' AND cycle = '{cycle}'
"""


def build(settings: Settings) -> list[Any]:
    @dataset_asset(
        ACCURACY,
        kinds={"duckdb"},
        deps=[DEMAND.asset_key, FORECAST.asset_key, BACKTEST.asset_key],
        pool="warehouse",
        partitions_def=cycle_partitions(settings),
        check_specs=checks(ACCURACY, AGREES),
    )
    def accuracy(
        context: dg.AssetExecutionContext, lake: LakeResource, engine: EngineResource, warehouse: WarehouseResource
    ) -> dg.MaterializeResult:
        from o9_assets.assets.forecast.successors import register_successors
        from o9_assets.assets.warehouse.loading import fill
        from o9_assets.resources.lake import equal

        cycle = context.partition_key
        file = warehouse.open()
        opened = lake.open()
        with engine.open().connect() as con, file.attached(con):
            opened.view(con, "backtest", BACKTEST, where=equal("cycle", cycle))
            cycles = con.execute("SELECT DISTINCT cycle FROM warehouse.forecast ORDER BY 1").fetchall()
            register_successors(con, opened, settings, [name for (name,) in cycles])
            con.execute(PUBLISHED.format(grain=grain_columns(settings))).fetchall()
            con.execute(BACKTESTED).fetchall()
            return fill(
                con,
                file,
                ACCURACY,
                SOURCE,
                where=f"basis = 'published' OR cycle = '{cycle}'",
                by="cycle",
                lake_totals=LAKE_TOTALS,
                warehouse_totals=WAREHOUSE_TOTALS.format(cycle=cycle),
            )

    return [accuracy]
