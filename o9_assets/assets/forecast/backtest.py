"""Backtest: every method that was tried on a series, at every rolling origin, against what then happened."""

import time
from typing import Any

import dagster as dg

from o9_assets.assets.cycles import cycle_partitions
from o9_assets.assets.declare import dataset_asset
from o9_assets.assets.forecast.drivers import driver_deps
from o9_assets.assets.pictures import bars
from o9_assets.assets.tables import table
from o9_assets.dataset import Column, Dataset
from o9_assets.planning.settings import Settings
from o9_assets.resources.configured import EngineResource, LakeResource

__all__ = ["BACKTEST", "build"]

BACKTEST = Dataset(
    "forecast.backtest",
    "One row per series, method, origin and week of the validation horizon, of the latest cycle.",
    (
        Column("cycle", "string", "Planning cycle, the ISO date of its first day", True),
        Column("item_code", "string", "Item", True),
        Column("location_code", "string", "Location; ALL where forecasts are by item", True),
        Column("channel_code", "string", "Channel; ALL where forecasts are without", True),
        Column("method", "string", "Method, such as seasonal_naive", True),
        Column("origin_week_start", "date", "First week not known to the method", True),
        Column("week_start", "date", "Week forecast", True),
        Column("lag_weeks", "int32", "Weeks ahead, 1 being the first", True),
        Column("forecast_quantity", "double", "Forecast, base units", True),
        Column("actual_quantity", "double", "Actual demand, base units; null where the week is not known"),
        Column("is_champion", "boolean", "True for the method chosen for the series", True),
        Column("is_reference", "boolean", "True for the series' reference method", True),
    ),
    key=("cycle", "item_code", "location_code", "channel_code", "method", "origin_week_start", "week_start"),
    partition_by=("cycle",),
)


def build(settings: Settings) -> list[Any]:
    """The asset, by planning cycle, and its check."""

    @dataset_asset(
        BACKTEST,
        kinds={"iceberg", "python"},
        deps=[
            ["curated", "demand_history"],
            ["curated", "demand_segments"],
            ["curated", "items"],
            *driver_deps(settings),
        ],
        partitions_def=cycle_partitions(settings),
    )
    def backtest(context: dg.AssetExecutionContext, lake: LakeResource, engine: EngineResource) -> dg.MaterializeResult:
        from o9_assets.assets.forecast.inputs import read_inputs, setup_of
        from o9_assets.forecasting.champion import champions, judged
        from o9_assets.forecasting.methods import cross_validate, plan
        from o9_assets.resources.lake import equal

        cycle, room, began = context.partition_key, lake.open(), time.monotonic()
        given, setup = read_inputs(settings, cycle, room, engine.open()), setup_of(settings)
        chosen = plan(given.series, given.classes, setup)
        rows = judged(cross_validate(given.series, chosen, setup, context.log.info, given.drivers), given.series.frame)
        winners = champions(rows, chosen)
        room.overwrite(
            BACKTEST, _rows(cycle, rows, given.series.keys, winners, chosen.reference), equal("cycle", cycle)
        )
        seasonal = sum(method == "seasonal_naive" for method in chosen.reference.values())
        season = (
            f"{seasonal:,} of {len(chosen.reference):,} series reach two seasons of {setup.season} weeks before the "
            "first origin; the others are measured against the average of the last eight weeks"
        )
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": len(rows),
                "series": len(chosen.reference),
                "series too short to validate": len(chosen.unvalidated),
                "last known week": given.series.last_week.date().isoformat(),
                "season": season,
                "drivers": ", ".join(given.drivers.names) if given.drivers else "none",
                "seconds": round(time.monotonic() - began, 1),
                **_accuracy(rows, winners, chosen.reference),
            }
        )

    @dg.asset_check(
        asset=backtest,
        name="champion_not_worse_than_reference",
        blocking=True,
        description="On the validation rows of a series, its champion's absolute error is at most its reference's.",
    )
    def champion_not_worse_than_reference(
        context: dg.AssetCheckExecutionContext, lake: LakeResource, engine: EngineResource
    ) -> dg.AssetCheckResult:
        with engine.open().connect() as con:
            lake.open().view(con, "backtest", BACKTEST)
            worse = con.execute(
                """
                WITH latest AS (SELECT * FROM backtest WHERE cycle = (SELECT max(cycle) FROM backtest)),
                errors AS (
                    SELECT item_code, location_code, channel_code,
                        sum(abs(forecast_quantity - actual_quantity)) FILTER (WHERE is_champion) AS champion,
                        sum(abs(forecast_quantity - actual_quantity)) FILTER (WHERE is_reference) AS reference
                    FROM latest WHERE actual_quantity IS NOT NULL GROUP BY ALL
                )
                SELECT * FROM errors WHERE champion > reference * (1 + 1e-9) LIMIT 20
                """
            ).fetchall()
        said = f"worse than the reference: {worse}" if worse else "no champion is worse than its reference"
        return dg.AssetCheckResult(passed=not worse, description=said)

    return [backtest, champion_not_worse_than_reference]


def _rows(cycle: str, rows: Any, keys: Any, winners: dict[str, str], reference: dict[str, str]) -> Any:
    """The backtest as the dataset declares it, sorted."""
    import pandas as pd
    import pyarrow as pa

    table = rows.merge(keys, on="unique_id").sort_values(["unique_id", "method", "cutoff", "ds"])
    origin = table["cutoff"] + pd.Timedelta(days=7)
    uid, method = table["unique_id"], table["method"]
    columns = {
        "cycle": [cycle] * len(table),
        "item_code": table["item_code"],
        "location_code": table["location_code"],
        "channel_code": table["channel_code"],
        "method": method,
        "origin_week_start": origin.dt.date,
        "week_start": table["ds"].dt.date,
        "lag_weeks": ((table["ds"] - table["cutoff"]).dt.days // 7).astype("int32"),
        "forecast_quantity": table["forecast"],
        "actual_quantity": table["actual"],
        "is_champion": uid.map(winners) == method,
        "is_reference": uid.map(reference) == method,
    }
    schema = BACKTEST.arrow_schema
    return pa.table([pa.array(columns[f.name], f.type, from_pandas=True) for f in schema], schema=schema)


def _accuracy(rows: Any, winners: dict[str, str], reference: dict[str, str]) -> dict[str, Any]:
    """WAPE and bias of champions and references on the same rows, and a table of methods."""
    from o9_assets.forecasting import accuracy

    if rows.empty:
        return {"note": "no series is long enough to be validated"}
    champion = rows[rows["unique_id"].map(winners) == rows["method"]]
    base = rows[rows["unique_id"].map(reference) == rows["method"]]
    wape, base_wape = (accuracy.wape(r["forecast"], r["actual"]) for r in (champion, base))
    won = {method: sum(w == method for w in winners.values()) for method in sorted(rows["method"].unique())}
    columns = {"method": "string", "series tried": "int", "series won": "int", "WAPE": "float", "bias": "float"}
    methods = [
        (
            method,
            int(group["unique_id"].nunique()),
            won[method],
            round(accuracy.wape(group["forecast"], group["actual"]), 4),
            round(accuracy.bias(group["forecast"], group["actual"]), 4),
        )
        for method, group in rows.groupby("method")
    ]
    by_wins = sorted(won.items(), key=lambda method: -method[1])
    return {
        "WAPE of champions": round(wape, 4),
        "WAPE of references": round(base_wape, 4),
        "bias of champions": round(accuracy.bias(champion["forecast"], champion["actual"]), 4),
        "forecast value added": round(base_wape - wape, 4),
        "methods": table(columns, methods),
        "picture of series won": bars(by_wins, "Series won by method", colour="#4f81bd"),
    }
