"""Drivers in the forecast: they help where they matter, and none tells what was not known yet."""

import warnings

import numpy as np
import pandas as pd
import pytest

from o9_assets.forecasting.drivers import Drivers
from o9_assets.forecasting.methods import LIGHTGBM, Plan, Setup, cross_validate, forecast
from o9_assets.forecasting.series import Series, complete

pytestmark = [
    # mlforecast tells of short series and first weeks whose features are unknown; both are meant
    pytest.mark.filterwarnings("ignore:The following series were dropped completely:UserWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]
SETUP = Setup(horizon=4, origins=4, season=52, seed=7, cores=1)
LAST = pd.Timestamp("2025-06-30")
WEEKS = pd.date_range(end=LAST, periods=110, freq="7D")
WEEK = pd.Timedelta(weeks=1)
NO_PROMOTIONS = pd.DataFrame({"unique_id": [""], "ds": [LAST], "promotion_days": [0.0]}).iloc[:0]
ITEMS = ("A", "B", "C", "D")
ONLY = Plan({LIGHTGBM: tuple(f"{item}\x1fS1\x1fALL" for item in ITEMS)}, {}, frozenset())


def quiet(_: str) -> None: ...


def measured(
    values: dict[pd.Timestamp, float], *, region: str = "North", delay: int = 0, name: str = "t"
) -> pd.DataFrame:
    """A driver, each week known when it was over, or `delay` weeks later."""
    days = list(values)
    known = [day + WEEK * (1 + delay) for day in days]
    return pd.DataFrame(
        {"driver_name": name, "region_name": region, "ds": days, "known_from": known, "driver_value": values.values()}
    )


def ahead_of_time(values: dict[pd.Timestamp, float], weeks: int) -> pd.DataFrame:
    """The same, published so many weeks before each week begins."""
    return measured(values, delay=-1 - weeks)


def drivers(*values: pd.DataFrame, regions: tuple[str, ...] = ("North",)) -> Drivers:
    ids = [uid for ids in ONLY.methods.values() for uid in ids]
    places = pd.DataFrame([(uid, region) for uid in ids for region in regions], columns=["unique_id", "region_name"])
    return Drivers(pd.concat(values), places)


def one(found: pd.DataFrame) -> list[float]:
    """Values of the first series, week by week."""
    first = found[found["unique_id"] == found["unique_id"].min()]
    return [float(value) for value in first["driver_1"]]


def hot_weeks() -> tuple[Series, dict[pd.Timestamp, float]]:
    """Demand that is nothing but weather, and the weather, foreseen or not, of all weeks and those to come."""
    dice = np.random.default_rng(5)
    days = pd.date_range(WEEKS[0] - 52 * WEEK, LAST + 4 * WEEK, freq="7D")
    weather = dict(zip(days, dice.uniform(0, 30, len(days)), strict=True))
    rows = [
        {
            "item_code": item,
            "location_code": "S1",
            "channel_code": "ALL",
            "week_start": day,
            "quantity": 20 + 10 * (weather[day] > 15) * 10 + dice.normal(0, 1),
            "promotion_days": 0,
        }
        for item in ITEMS
        for day in WEEKS
    ]
    return complete(pd.DataFrame(rows), LAST), weather


def test_weeks_to_come_have_what_was_published_ahead_then_last_year_s_value_then_nothing() -> None:
    first = LAST + WEEK
    values = {day: float(n) for n, day in enumerate(WEEKS[-30:])} | {first - 51 * WEEK: 77.0}
    found = drivers(measured(values), measured({first: 5.0}, delay=-2)).as_known(
        first, pd.DatetimeIndex([LAST, first, first + WEEK, first + 2 * WEEK])
    )
    assert one(found)[:3] == [29.0, 5.0, 77.0]
    assert np.isnan(one(found)[3])


def test_nothing_is_seen_that_became_known_later() -> None:
    values = {day: float(n) for n, day in enumerate(WEEKS)}
    later = measured(dict.fromkeys(WEEKS, 1000.0), delay=60)
    origin = WEEKS[60]
    weeks = pd.date_range(WEEKS[50], periods=20, freq="7D")
    with_later = drivers(measured(values), later).as_known(origin, weeks)
    until_then = drivers(measured({day: v for day, v in values.items() if day < origin})).as_known(origin, weeks)
    pd.testing.assert_frame_equal(with_later, until_then)
    assert one(until_then)[:11] == [50.0, 51.0, 52.0, 53.0, 54.0, 55.0, 56.0, 57.0, 58.0, 59.0, 8.0]


def test_a_driver_that_is_published_late_is_missing_at_the_end_of_what_is_known() -> None:
    values = {day: float(n) for n, day in enumerate(WEEKS[:10])}
    found = one(drivers(measured(values, delay=4)).as_known(WEEKS[10], WEEKS[4:10]))
    assert found[:2] == [4.0, 5.0]
    assert np.isnan(found[2:]).all()


def test_a_revision_counts_from_its_publication() -> None:
    first, revised = measured({WEEKS[0]: 1.0}), measured({WEEKS[0]: 2.0}, delay=3)
    given = drivers(first, revised)
    assert one(given.as_known(WEEKS[3], WEEKS[:1])) == [1.0]
    assert one(given.as_known(WEEKS[4], WEEKS[:1])) == [2.0]


def test_regions_are_averaged_and_what_holds_everywhere_stands_in_for_a_region_without_a_value() -> None:
    north, south = measured({WEEKS[0]: 10.0}), measured({WEEKS[0]: 20.0}, region="South")
    everywhere = measured({WEEKS[0]: 5.0}, region="*")
    assert one(drivers(north, south, regions=("North", "South")).as_known(WEEKS[2], WEEKS[:1])) == [15.0]
    assert one(drivers(north, everywhere, regions=("West",)).as_known(WEEKS[2], WEEKS[:1])) == [5.0]
    assert np.isnan(one(drivers(north, regions=("West",)).as_known(WEEKS[2], WEEKS[:1]))).all()


def error(found: pd.DataFrame, series: Series) -> float:
    rows = found.merge(series.frame, on=["unique_id", "ds"])
    return float((rows["forecast"] - rows["actual"]).abs().sum() / rows["actual"].sum())


def test_an_outlook_helps_where_demand_follows_it() -> None:
    series, weather = hot_weeks()
    without = error(cross_validate(series, ONLY, SETUP, quiet), series)
    given = drivers(measured(weather), ahead_of_time(weather, 8))
    with_outlook = error(cross_validate(series, ONLY, SETUP, quiet, given), series)
    assert with_outlook < 0.2 < 0.4 < without
    made = forecast(series, ONLY.methods, SETUP, NO_PROMOTIONS, quiet, given)
    hot = made["ds"].map(lambda day: weather[day] > 15)
    assert made.loc[hot, "forecast"].min() > 80 > 60 > made.loc[~hot, "forecast"].max()


def test_the_weather_to_come_is_never_told_ahead() -> None:
    """Demand follows the weather of the week itself: other weather after an origin changes no forecast from it."""
    series, weather = hot_weeks()
    cutoff = LAST - pd.Timedelta(weeks=SETUP.held_back)
    other = {day: value if day <= cutoff else 30 - value for day, value in weather.items()}
    found = [cross_validate(series, ONLY, SETUP, quiet, drivers(measured(w))) for w in (weather, other)]
    first = [frame[frame["cutoff"] == cutoff].reset_index(drop=True) for frame in found]
    assert len(first[0]) == len(ITEMS) * SETUP.horizon
    pd.testing.assert_frame_equal(*first)
    later = [frame[frame["cutoff"] > cutoff].reset_index(drop=True) for frame in found]
    assert not later[0]["forecast"].equals(later[1]["forecast"])


def test_origins_and_weeks_are_the_same_with_drivers_and_without() -> None:
    series, weather = hot_weeks()
    order = ["unique_id", "cutoff", "ds"]
    without = cross_validate(series, ONLY, SETUP, quiet)
    given = cross_validate(series, ONLY, SETUP, quiet, drivers(measured(weather)))
    assert list(given.columns) == list(without.columns)
    pd.testing.assert_frame_equal(*(f.sort_values(order)[order].reset_index(drop=True) for f in (without, given)))


def test_a_series_without_a_region_is_forecast_all_the_same() -> None:
    series, weather = hot_weeks()
    given = drivers(measured(weather), regions=("West",))
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="Found null values in driver_")
        made = forecast(series, ONLY.methods, SETUP, NO_PROMOTIONS, quiet, given)
    assert made["forecast"].notna().all()
