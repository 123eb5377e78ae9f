"""Predictions: the champion's forecast with quantiles, by week."""

import math
from dataclasses import replace
from typing import Any

import dagster as dg

from o9_assets.assets.curated.demand_history import DEMAND_HISTORY
from o9_assets.assets.cycles import cycle_partitions, due_cycle
from o9_assets.assets.declare import dataset_asset
from o9_assets.assets.forecast.backtest import BACKTEST
from o9_assets.assets.forecast.drivers import driver_deps
from o9_assets.assets.pictures import new_figure, picture
from o9_assets.dataset import Column, Dataset
from o9_assets.planning.settings import Settings
from o9_assets.resources.configured import ClockResource, EngineResource, LakeResource

__all__ = ["PREDICTIONS", "build"]

QUANTILES = (0.1, 0.5, 0.9)

PREDICTIONS = Dataset(
    "forecast.predictions",
    "One row per series and future week: mean and quantiles of the method that won its backtest.",
    (
        Column("cycle", "string", "Planning cycle, the ISO date of its first day", True),
        Column("item_code", "string", "Item", True),
        Column("location_code", "string", "Location; ALL where forecasts are by item", True),
        Column("channel_code", "string", "Channel; ALL where forecasts are without", True),
        Column("week_start", "date", "Week forecast", True),
        Column("lag_weeks", "int32", "Weeks ahead, 1 being the first", True),
        Column("method", "string", "Champion", True),
        Column("mean_quantity", "double", "Mean, base units", True),
        Column("p10_quantity", "double", "10 % quantile, base units", True),
        Column("p50_quantity", "double", "Median, base units", True),
        Column("p90_quantity", "double", "90 % quantile, base units", True),
    ),
    key=("cycle", "item_code", "location_code", "channel_code", "week_start"),
    partition_by=("cycle",),
)


def build(settings: Settings) -> list[Any]:
    """The asset, by planning cycle, and its checks."""

    @dataset_asset(
        PREDICTIONS,
        kinds={"iceberg", "python"},
        deps=[
            ["forecast", "backtest"],
            ["curated", "demand_history"],
            ["curated", "demand_segments"],
            *driver_deps(settings),
        ],
        partitions_def=cycle_partitions(settings),
    )
    def predictions(
        context: dg.AssetExecutionContext, lake: LakeResource, engine: EngineResource
    ) -> dg.MaterializeResult:
        import pandas as pd

        from o9_assets.assets.forecast.inputs import read_inputs, setup_of
        from o9_assets.forecasting import accuracy
        from o9_assets.forecasting.methods import can_be_validated, forecast, unvalidated_method
        from o9_assets.forecasting.quantiles import with_quantiles
        from o9_assets.resources.lake import equal

        cycle, room = context.partition_key, lake.open()
        given, setup = read_inputs(settings, cycle, room, engine.open()), setup_of(settings)
        tested = _champion_rows(room, cycle)
        methods: dict[str, list[str]] = {}
        winner = dict(zip(tested["unique_id"], tested["method"], strict=True))
        for uid, weeks in given.series.lengths.items():
            # History may have become shorter since the backtest: what won on weeks that are gone cannot be fitted.
            method = winner.get(uid) if can_be_validated(int(weeks), setup) else None
            methods.setdefault(method or unvalidated_method(int(weeks)), []).append(str(uid))
        chosen = {method: tuple(ids) for method, ids in sorted(methods.items())}
        # Where deliveries are late, weeks before the cycle are forecast as well: the horizon begins with the cycle.
        late = (pd.Timestamp(cycle) - given.series.last_week).days // 7 - 1
        ahead = replace(setup, horizon=setup.horizon + late)
        made = forecast(given.series, chosen, ahead, given.promotions, context.log.info, given.drivers)
        banded = with_quantiles(made, tested, given.classes, QUANTILES)
        table = _rows(cycle, banded, given.series.keys)
        room.overwrite(PREDICTIONS, table, equal("cycle", cycle))
        own = with_quantiles(tested.rename(columns={"week_start": "ds"}), tested, given.classes, QUANTILES)
        metadata: dict[str, Any] = {
            "dagster/row_count": room.row_count(PREDICTIONS),
            "rows of this cycle": table.num_rows,
            "series": len(given.series.keys),
            "units forecast": round(float(banded["forecast"].sum()), 1),
        }
        if len(tested):
            covered = accuracy.coverage(own["q2"], own["actual"])
            metadata["share of backtest actuals below the 90 % quantile"] = round(covered, 3)
        if shown := _most_valuable(settings, room, engine, given.series.keys):
            metadata["picture of the most valuable series"] = _picture(given.series, banded, shown)
        return dg.MaterializeResult(metadata=metadata)

    @dg.asset_check(
        asset=predictions,
        name="every_series_every_week",
        blocking=True,
        description="Each series has one forecast for each week of the horizon; none is negative, none is missing, and "
        "the quantiles rise.",
    )
    def every_series_every_week(lake: LakeResource, engine: EngineResource) -> dg.AssetCheckResult:
        with engine.open().connect() as con:
            lake.open().view(con, "predictions", PREDICTIONS)
            [(series, short, wrong)] = con.execute(
                """
                WITH latest AS (SELECT * FROM predictions WHERE cycle = (SELECT max(cycle) FROM predictions)),
                horizon AS (SELECT count(DISTINCT week_start) AS weeks FROM latest),
                counts AS (
                    SELECT count(*) AS n, count(DISTINCT week_start) AS weeks,
                        count(*) FILTER (WHERE isnan(mean_quantity) OR mean_quantity < 0 OR p10_quantity < 0
                            OR p10_quantity > p50_quantity OR p50_quantity > p90_quantity) AS wrong
                    FROM latest GROUP BY item_code, location_code, channel_code
                )
                SELECT count(*), count(*) FILTER (WHERE n <> horizon.weeks OR counts.weeks <> horizon.weeks),
                    coalesce(sum(wrong), 0)
                FROM counts, horizon
                """
            ).fetchall()
        return dg.AssetCheckResult(
            passed=series > 0 and not short and not wrong,
            description=f"{series:,} series, {short:,} without every week, {wrong:,} rows with a wrong value",
        )

    @dg.asset_check(
        asset=predictions,
        name="latest_cycle_is_in",
        description="The cycle that the schedule last began has a forecast; making an old one again is no substitute.",
    )
    def latest_cycle_is_in(lake: LakeResource, engine: EngineResource, clock: ClockResource) -> dg.AssetCheckResult:
        with engine.open().connect() as con:
            lake.open().view(con, "predictions", PREDICTIONS, columns=["cycle"])
            [(latest,)] = con.execute("SELECT max(cycle) FROM predictions").fetchall()
        due = due_cycle(settings, clock.now())
        is_in = latest is not None and latest >= due
        return dg.AssetCheckResult(
            passed=is_in,
            severity=dg.AssetCheckSeverity.WARN,
            description=f"The latest cycle with a forecast is {latest or 'none'}"
            + ("." if is_in else f"; {due} is due. Start the job `cycle` for it, or switch `weekly_cycle` on."),
        )

    return [predictions, every_series_every_week, latest_cycle_is_in]


def _champion_rows(lake: Any, cycle: str) -> Any:
    """The champions' backtest of a cycle: unique_id, method, week_start, forecast, actual."""
    from o9_assets.forecasting.series import KEYS
    from o9_assets.resources.lake import all_of, equal

    rows = lake.read(BACKTEST, where=all_of(equal("cycle", cycle), equal("is_champion", True))).to_pandas()
    rows["unique_id"] = rows[list(KEYS)].agg("\x1f".join, axis=1) if len(rows) else []
    rows = rows.rename(columns={"forecast_quantity": "forecast", "actual_quantity": "actual"})
    return rows[["unique_id", "method", "week_start", "forecast", "actual"]].reset_index(drop=True)


def _rows(cycle: str, banded: Any, keys: Any) -> Any:
    """The forecast as the dataset declares it, sorted; weeks before the cycle's own first are left out."""
    import pandas as pd
    import pyarrow as pa

    first = pd.Timestamp(cycle)
    table = banded[banded["ds"] >= first].merge(keys, on="unique_id").sort_values(["unique_id", "ds"])
    columns = {
        "cycle": [cycle] * len(table),
        "item_code": table["item_code"],
        "location_code": table["location_code"],
        "channel_code": table["channel_code"],
        "week_start": table["ds"].dt.date,
        "lag_weeks": ((table["ds"] - first).dt.days // 7 + 1).astype("int32"),
        "method": table["method"],
        "mean_quantity": table["forecast"],
        "p10_quantity": table["q0"],
        "p50_quantity": table["q1"],
        "p90_quantity": table["q2"],
    }
    schema = PREDICTIONS.arrow_schema
    return pa.table([pa.array(columns[f.name], f.type, from_pandas=True) for f in schema], schema=schema)


def _most_valuable(settings: Settings, lake: Any, engine: EngineResource, keys: Any) -> tuple[str, str, str] | None:
    """The series to draw, of those that are forecast."""
    from o9_assets.assets.curated.most_valuable import KEY, most_valuable

    with engine.open().connect() as con:
        columns = [*KEY, "bucket_start", "state", "orders_value", "orders_quantity"]
        lake.view(con, "history", DEMAND_HISTORY, columns=columns)
        con.register("forecast_series", keys)
        return most_valuable(con, settings.forecast.grain, among="forecast_series")


def _picture(series: Any, banded: Any, shown: tuple[str, str, str]) -> dg.MarkdownMetadataValue:
    """Two years of a series and its forecast with its band."""
    uid = "\x1f".join(shown)
    history = series.frame[series.frame["unique_id"] == uid].tail(104)
    ahead = banded[banded["unique_id"] == uid]
    figure = new_figure()
    axes = figure.subplots()
    axes.plot(history["ds"], history["actual"], color="#333333", linewidth=1, label="ordered")
    filled = history[[math.isnan(value) for value in history["actual"]]]
    axes.scatter(filled["ds"], filled["y"], color="#e0a030", s=14, zorder=3, label="unknown, filled for training")
    axes.plot(ahead["ds"], ahead["forecast"], color="#1f6fb4", label=f"forecast ({ahead['method'].iloc[0]})")
    axes.fill_between(ahead["ds"], ahead["q0"], ahead["q2"], color="#1f6fb4", alpha=0.2, label="10 % to 90 %")
    axes.set_ylabel("base units a week")
    axes.set_ylim(bottom=0)
    axes.set_title(f"Demand and forecast of {' · '.join(shown)}", fontsize=10)
    axes.legend(fontsize=8, frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    axes.spines[["top", "right"]].set_visible(False)
    return picture(figure, f"Demand and forecast of {' · '.join(shown)}")
