"""The methods that compete, and which of them are tried on which kind of series.

A season applies only where the history before the first origin reaches two of them. Croston's family is for demand
with many zeros; LightGBM learns from all series at once.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from o9_assets.forecasting.drivers import Drivers
    from o9_assets.forecasting.series import Series

__all__ = ["Plan", "Setup", "can_be_validated", "cross_validate", "forecast", "plan", "unvalidated_method"]

SEASONAL_NAIVE, WINDOW_AVERAGE, NAIVE = "seasonal_naive", "window_average", "naive"
MSTL_ETS, AUTO_ETS, CROSTON, TSB, LIGHTGBM = "mstl_ets", "auto_ets", "croston_sba", "tsb", "lightgbm"
HISTORIC_AVERAGE = "historic_average"
WINDOW_WEEKS = 8
SPORADIC = ("intermittent", "lumpy")

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Setup:
    """Settings of a forecast: weeks ahead, rolling origins and weeks between them, season, seed, cores."""

    horizon: int
    origins: int
    season: int
    seed: int
    cores: int = 2

    @property
    def step(self) -> int:
        """Weeks from one origin to the next: four of them cover a horizon."""
        return max(1, self.horizon // 4)

    @property
    def held_back(self) -> int:
        """Weeks at the end of a series that the first origin does not know."""
        return self.horizon + self.step * (self.origins - 1)


@dataclass(frozen=True)
class Plan:
    """Which series each method is tried on, each series' reference, and the series too short to be validated."""

    methods: dict[str, tuple[str, ...]]
    reference: dict[str, str]
    unvalidated: frozenset[str]


def can_be_validated(weeks: int, setup: Setup) -> bool:
    """Whether a series of so many weeks knows at least eight before the first origin."""
    return weeks - setup.held_back >= WINDOW_WEEKS


def unvalidated_method(weeks: int) -> str:
    """The method of a series that is too short to be validated: the average of what there is, at most eight weeks."""
    return WINDOW_AVERAGE if weeks >= WINDOW_WEEKS else HISTORIC_AVERAGE


def plan(series: Series, classes: dict[str, str], setup: Setup) -> Plan:
    """Choose methods by segment. `classes` holds the demand class by unique_id; a series that it lacks is new.

    A series needs eight weeks before the first origin to be validated. The reference is the seasonal naive forecast
    where two seasons lie before the first origin, else the average of the last eight weeks.
    """
    tried: dict[str, list[str]] = {}
    reference, unvalidated = {}, set()
    for uid, length in series.lengths.items():
        if not can_be_validated(int(length), setup):
            unvalidated.add(str(uid))
            reference[str(uid)] = unvalidated_method(int(length))
            continue
        seasonal = int(length) - setup.held_back >= 2 * setup.season
        reference[str(uid)] = SEASONAL_NAIVE if seasonal else WINDOW_AVERAGE
        methods = [WINDOW_AVERAGE, NAIVE, LIGHTGBM]
        if seasonal:
            methods.append(SEASONAL_NAIVE)
        if classes.get(str(uid)) in SPORADIC:
            methods += [CROSTON, TSB]
        else:
            methods.append(MSTL_ETS if seasonal else AUTO_ETS)
        for method in methods:
            tried.setdefault(method, []).append(str(uid))
    return Plan({m: tuple(sorted(ids)) for m, ids in sorted(tried.items())}, reference, frozenset(unvalidated))


def cross_validate(
    series: Series, chosen: Plan, setup: Setup, progress: Progress, drivers: Drivers | None = None
) -> pd.DataFrame:
    """Forecasts of every method from every rolling origin: unique_id, method, cutoff, ds, forecast.

    At each origin LightGBM sees of `drivers` what was known then.
    """
    import pandas as pd

    found = []
    for method, frame in _by_method(series, chosen.methods, progress):
        if method == LIGHTGBM and drivers is not None:
            made = _cross_validate_with(drivers, frame, setup)
        elif method == LIGHTGBM:
            made = _mlforecast(setup).cross_validation(
                frame, n_windows=setup.origins, h=setup.horizon, step_size=setup.step, refit=True, static_features=[]
            )
        else:
            made = _statsforecast(method, setup).cross_validation(
                df=frame[["unique_id", "ds", "y"]],
                h=setup.horizon,
                n_windows=setup.origins,
                step_size=setup.step,
                refit=True,
            )
        found.append(_long(made, method, ["cutoff"]))
    empty = pd.DataFrame(
        {
            "unique_id": pd.Series(dtype=str),
            "method": pd.Series(dtype=str),
            "cutoff": pd.Series(dtype="datetime64[ns]"),
            "ds": pd.Series(dtype="datetime64[ns]"),
            "forecast": pd.Series(dtype=float),
        }
    )
    return pd.concat(found, ignore_index=True)[list(empty.columns)] if found else empty


def forecast(
    series: Series,
    methods: dict[str, tuple[str, ...]],
    setup: Setup,
    promotions: pd.DataFrame,
    progress: Progress,
    drivers: Drivers | None = None,
) -> pd.DataFrame:
    """Forecasts for the weeks after the last known one: unique_id, method, ds, forecast.

    `promotions` holds promotion_days by unique_id and ds for weeks to come; a week that it lacks has none. `drivers`
    are for LightGBM.
    """
    import pandas as pd

    found: list[pd.DataFrame] = []
    for method, frame in _by_method(series, methods, progress):
        if method == LIGHTGBM:
            known = _known(drivers, frame, series.last_week, setup)
            model = _mlforecast(setup).fit(_joined(frame, known), static_features=[])
            ahead = model.make_future_dataframe(setup.horizon)
            ahead = ahead.merge(promotions, on=["unique_id", "ds"], how="left")
            ahead["promotion_days"] = ahead["promotion_days"].fillna(0.0)
            with _drivers_left_out():
                made = model.predict(setup.horizon, X_df=_joined(ahead, known))
        else:
            made = _statsforecast(method, setup).forecast(df=frame[["unique_id", "ds", "y"]], h=setup.horizon)
        found.append(_long(made, method, []))
    columns = ["unique_id", "method", "ds", "forecast"]
    return pd.concat(found, ignore_index=True)[columns] if found else pd.DataFrame(columns=columns)


def _cross_validate_with(drivers: Drivers, frame: pd.DataFrame, setup: Setup) -> pd.DataFrame:
    """LightGBM from every rolling origin, earliest first, with drivers as known at each.

    mlforecast's own cross-validation has one value for a week, whatever the origin: it would tell the weather ahead.
    """
    import pandas as pd

    found: list[pd.DataFrame] = []
    for number in reversed(range(setup.origins)):
        cutoff = frame["ds"].max() - pd.Timedelta(weeks=setup.horizon + setup.step * number)
        known = _known(drivers, frame, cutoff, setup)
        ahead = frame[(frame["ds"] > cutoff) & (frame["ds"] <= cutoff + pd.Timedelta(weeks=setup.horizon))]
        model = _mlforecast(setup).fit(_joined(frame[frame["ds"] <= cutoff], known), static_features=[])
        with _drivers_left_out():
            made = model.predict(setup.horizon, X_df=_joined(ahead.drop(columns="y"), known))
        found.append(made.assign(cutoff=cutoff))
    return pd.concat(found, ignore_index=True)


@contextmanager
def _drivers_left_out() -> Iterator[None]:
    """A driver that is not known is meant to be missing: trees have a branch for it."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"Found null values in .*driver_", category=UserWarning)
        yield


def _known(drivers: Drivers | None, frame: pd.DataFrame, last_week: pd.Timestamp, setup: Setup) -> pd.DataFrame | None:
    """Drivers of the weeks of `frame` and of the horizon, as known when `last_week` was over."""
    import pandas as pd

    if drivers is None:
        return None
    weeks = pd.date_range(frame["ds"].min(), last_week + pd.Timedelta(weeks=setup.horizon), freq="7D")
    return drivers.as_known(last_week + pd.Timedelta(weeks=1), weeks)


def _joined(frame: pd.DataFrame, known: pd.DataFrame | None) -> pd.DataFrame:
    return frame if known is None else frame.merge(known, on=["unique_id", "ds"], how="left")


def _by_method(
    series: Series, methods: dict[str, tuple[str, ...]], progress: Progress
) -> Iterable[tuple[str, pd.DataFrame]]:
    for method, ids in methods.items():
        if ids:
            progress(f"{method}: {len(ids):,} series")
            yield method, series.only(set(ids)).frame[["unique_id", "ds", "y", "promotion_days"]]


def _long(made: pd.DataFrame, method: str, extra: list[str]) -> pd.DataFrame:
    long = made.rename(columns={method: "forecast"})[["unique_id", "ds", *extra, "forecast"]]
    # Demand is never below nothing, and a method that could not fit a series must not win it.
    return long.assign(method=method, forecast=long["forecast"].astype("float64").clip(lower=0))


def _statsforecast(method: str, setup: Setup) -> Any:
    from statsforecast import StatsForecast
    from statsforecast import models as m

    makers: dict[str, Callable[[], Any]] = {
        SEASONAL_NAIVE: lambda: m.SeasonalNaive(season_length=setup.season, alias=method),
        WINDOW_AVERAGE: lambda: m.WindowAverage(window_size=WINDOW_WEEKS, alias=method),
        NAIVE: lambda: m.Naive(alias=method),
        HISTORIC_AVERAGE: lambda: m.HistoricAverage(alias=method),
        # Weekly seasons: MSTL with ETS on what remains is 12 times faster than a 52-season ETS, and better.
        MSTL_ETS: lambda: m.MSTL(season_length=setup.season, trend_forecaster=m.AutoETS(model="ZZN"), alias=method),
        AUTO_ETS: lambda: m.AutoETS(model="ZZN", alias=method),
        CROSTON: lambda: m.CrostonSBA(alias=method),
        TSB: lambda: m.TSB(alpha_d=0.1, alpha_p=0.1, alias=method),
    }
    return StatsForecast(models=[makers[method]()], freq="7D", n_jobs=1, fallback_model=m.WindowAverage(window_size=1))


def _mlforecast(setup: Setup) -> Any:
    import lightgbm
    from mlforecast import MLForecast
    from mlforecast.lag_transforms import RollingMean
    from mlforecast.target_transforms import LocalStandardScaler

    model = lightgbm.LGBMRegressor(
        n_estimators=120,
        learning_rate=0.06,
        num_leaves=31,
        min_child_samples=20,
        subsample=0.8,
        subsample_freq=1,
        colsample_bytree=0.8,
        n_jobs=setup.cores,
        random_state=setup.seed,
        deterministic=True,
        force_row_wise=True,
        verbosity=-1,
    )
    return MLForecast(
        models={LIGHTGBM: model},
        freq="7D",
        lags=[1, 2, 3, 4],
        lag_transforms={1: [RollingMean(4), RollingMean(8, min_samples=4)]},
        date_features=[week_of_year, "month"],
        target_transforms=[LocalStandardScaler()],
        num_threads=setup.cores,
    )


def week_of_year(days: pd.DatetimeIndex) -> Any:
    """ISO week, the yearly season that trees can split on."""
    return days.isocalendar().week.astype("int32")
