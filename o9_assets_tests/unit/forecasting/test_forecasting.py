"""From weekly rows to champions and quantiles: gaps are filled and never scored, and no champion is worse than its
reference."""

import math
from datetime import date

import duckdb
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from o9_assets.forecasting.champion import champions, judged
from o9_assets.forecasting.methods import Plan, Setup, cross_validate, forecast, plan, unvalidated_method
from o9_assets.forecasting.quantiles import with_quantiles
from o9_assets.forecasting.series import KEYS, Series, complete, fill
from o9_assets.forecasting.weekly import weekly

pytestmark = [
    # mlforecast tells of short series and first weeks whose features are unknown; both are meant
    pytest.mark.filterwarnings("ignore:Found null values in:UserWarning"),
    pytest.mark.filterwarnings("ignore:The following series were dropped completely:UserWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]
SETUP = Setup(horizon=4, origins=4, season=52, seed=7, cores=1)
NO_PROMOTIONS = pd.DataFrame(
    {
        "unique_id": pd.Series(dtype=str),
        "ds": pd.Series(dtype="datetime64[ns]"),
        "promotion_days": pd.Series(dtype=float),
    }
)


def quiet(_: str) -> None: ...


def weeks(values: dict[str, list[float]], last: str = "2025-06-30") -> Series:
    """Series that end in the same week; NaN is a week that is not known."""
    rows = [
        {
            "item_code": item,
            "location_code": "S1",
            "channel_code": "ALL",
            "week_start": day,
            "quantity": value,
            "promotion_days": 0,
        }
        for item, series in values.items()
        for day, value in zip(pd.date_range(end=last, periods=len(series), freq="7D"), series, strict=True)
    ]
    return complete(pd.DataFrame(rows), pd.Timestamp(last))


def uid(item: str) -> str:
    return f"{item}\x1fS1\x1fALL"


def test_a_gap_is_filled_with_the_median_of_its_neighbours_and_is_no_actual() -> None:
    series = weeks({"A": [1, 2, math.nan, 4, 100]})
    assert series.frame["y"].tolist() == [1, 2, 3, 4, 100]
    assert math.isnan(series.frame["actual"].iloc[2])


def test_unknown_weeks_at_the_start_are_left_out_and_a_series_of_nothing_else_too() -> None:
    series = weeks({"A": [math.nan, 2, 3], "B": [math.nan] * 3})
    assert series.keys["item_code"].tolist() == ["A"]
    assert series.frame["y"].tolist() == [2, 3]


def test_a_week_without_a_row_is_a_gap_too() -> None:
    rows = pd.DataFrame(
        {
            **dict.fromkeys(KEYS, "X"),
            "week_start": pd.to_datetime(["2025-06-16", "2025-06-30"]),
            "quantity": [2.0, 4.0],
            "promotion_days": [0, 0],
        }
    )
    assert complete(rows, pd.Timestamp("2025-06-30")).frame["y"].tolist() == [2, 3, 4]


@given(st.lists(st.one_of(st.just(math.nan), st.floats(0, 1e6)), min_size=1, max_size=40))
def test_filling_keeps_what_is_known_and_leaves_no_gap(values: list[float]) -> None:
    array = np.asarray(values)
    filled = fill(array)
    known = ~np.isnan(array)
    assert not np.isnan(filled).any()
    assert (filled[known] == array[known]).all()


def test_methods_are_tried_by_segment_and_a_season_only_where_two_are_known() -> None:
    series = weeks(
        {"LONG": [5.0] * 130, "SHORT": [5.0] * 60, "RARE": [0.0, 9.0] * 30, "NEW": [5.0] * 10, "TINY": [5.0]}
    )
    chosen = plan(series, {uid("LONG"): "smooth", uid("SHORT"): "smooth", uid("RARE"): "lumpy"}, SETUP)
    tried = {
        item: {m for m, ids in chosen.methods.items() if uid(item) in ids} for item in ("LONG", "SHORT", "RARE", "NEW")
    }
    assert tried["LONG"] == {"window_average", "naive", "lightgbm", "seasonal_naive", "mstl_ets"}
    assert tried["SHORT"] == {"window_average", "naive", "lightgbm", "auto_ets"}
    assert tried["RARE"] == {"window_average", "naive", "lightgbm", "croston_sba", "tsb"}
    assert tried["NEW"] == set()
    assert chosen.reference[uid("LONG")] == "seasonal_naive"
    assert chosen.reference[uid("SHORT")] == "window_average"
    assert chosen.unvalidated == {uid("NEW"), uid("TINY")}
    assert (unvalidated_method(8), unvalidated_method(7)) == ("window_average", "historic_average")


def rows_of(errors: dict[str, list[float]]) -> pd.DataFrame:
    """Backtest rows of one series with given errors; the actual is 10."""
    days = pd.date_range("2025-01-06", periods=max(map(len, errors.values())), freq="7D")
    return pd.concat(
        pd.DataFrame(
            {
                "unique_id": "s",
                "method": m,
                "cutoff": days[0],
                "ds": days[: len(e)],
                "forecast": [10 + x for x in e],
                "actual": 10.0,
            }
        )
        for m, e in errors.items()
    )


ONE = Plan({}, {"s": "naive"}, frozenset())


def test_the_smallest_absolute_error_wins() -> None:
    assert champions(rows_of({"naive": [3, 3], "other": [-1, 2]}), ONE) == {"s": "other"}


def test_among_equals_the_reference_wins() -> None:
    assert champions(rows_of({"naive": [1, 1], "another": [-1, 1]}), ONE) == {"s": "naive"}


def test_a_method_that_did_not_forecast_every_row_cannot_win() -> None:
    assert champions(rows_of({"naive": [3, 3], "other": [0]}), ONE) == {"s": "naive"}


def test_rows_whose_actual_is_not_known_do_not_count() -> None:
    rows = rows_of({"naive": [0, 9], "other": [1, 0]})
    rows.loc[rows["ds"] == rows["ds"].max(), "actual"] = math.nan
    assert champions(rows, ONE) == {"s": "naive"}


ERRORS = st.dictionaries(
    st.sampled_from(["naive", "a", "b"]), st.lists(st.floats(-9, 9), min_size=3, max_size=3), min_size=1
).filter(lambda found: "naive" in found)


@given(ERRORS)
def test_a_champion_is_never_worse_than_its_reference(errors: dict[str, list[float]]) -> None:
    best = champions(rows_of(errors), ONE)["s"]
    assert sum(map(abs, errors[best])) <= sum(map(abs, errors["naive"])) + 1e-9


def test_every_method_forecasts_from_every_origin_and_the_whole_is_repeatable() -> None:
    dice = np.random.default_rng(3)
    season = 50 + 30 * np.sin(np.arange(130) * 2 * np.pi / 52)
    series = weeks(
        {f"S{n}": list(season + dice.normal(0, 5, 130)) for n in range(4)}
        | {f"R{n}": list(dice.poisson(0.4, 130).astype(float) * 6) for n in range(4)}
    )
    classes = {uid(f"S{n}"): "smooth" for n in range(4)} | {uid(f"R{n}"): "lumpy" for n in range(4)}
    chosen = plan(series, classes, SETUP)
    tested = cross_validate(series, chosen, SETUP, quiet)
    counts = tested.groupby(["method", "unique_id"]).size()
    assert set(counts) == {SETUP.origins * SETUP.horizon}
    assert sorted(tested["cutoff"].unique()) == sorted(
        series.last_week - pd.Timedelta(weeks=SETUP.horizon + n * SETUP.step) for n in range(SETUP.origins)
    )
    rows = judged(tested, series.frame)
    winners = champions(rows, chosen)
    assert {winners[uid(f"S{n}")] for n in range(4)} <= {"mstl_ets", "seasonal_naive", "lightgbm"}
    methods: dict[str, tuple[str, ...]] = {}
    for series_id, method in sorted(winners.items()):
        methods[method] = (*methods.get(method, ()), series_id)
    first = forecast(series, methods, SETUP, NO_PROMOTIONS, quiet)
    again = forecast(series, methods, SETUP, NO_PROMOTIONS, quiet)
    pd.testing.assert_frame_equal(first, again)
    assert len(first) == 8 * SETUP.horizon
    assert (first["forecast"] >= 0).all()
    champion_rows = rows[rows["unique_id"].map(winners) == rows["method"]]
    banded = with_quantiles(first, champion_rows, classes, (0.1, 0.5, 0.9))
    assert ((banded["q0"] <= banded["q1"]) & (banded["q1"] <= banded["q2"]) & (banded["q0"] >= 0)).all()
    own = with_quantiles(champion_rows, champion_rows, classes, (0.1, 0.5, 0.9))
    assert 0.8 <= (own["actual"] <= own["q2"]).mean() <= 1


@settings(max_examples=30)
@given(st.lists(st.floats(-50, 50), min_size=0, max_size=40), st.floats(0, 100))
def test_quantiles_rise_and_are_never_below_nothing(residuals: list[float], level: float) -> None:
    tested = pd.DataFrame(
        {"unique_id": "s", "forecast": 50.0, "actual": [50 + r for r in residuals]}, index=range(len(residuals))
    )
    ahead = pd.DataFrame({"unique_id": ["s"], "ds": [pd.Timestamp("2025-01-06")], "forecast": [level]})
    band = with_quantiles(ahead, tested, {}, (0.1, 0.5, 0.9)).iloc[0]
    assert 0 <= band["q0"] <= band["q1"] <= band["q2"]


CELL = (
    "item_code",
    "location_code",
    "channel_code",
    "bucket_start",
    "week_start",
    "days",
    "state",
    "is_complete",
    "orders_quantity",
    "promotion_days",
)


def weekly_of(
    cells: list[tuple[object, ...]],
    successors: list[tuple[str, str]] = (),
    grain: tuple[str, ...] = ("item", "location"),
    measure: str = "quantity",
) -> list[tuple[object, ...]]:
    with duckdb.connect() as con:
        con.execute(
            "CREATE TABLE demand_history (item_code TEXT, location_code TEXT, channel_code TEXT, bucket_start DATE, "
            "week_start DATE, days INT, state TEXT, is_complete BOOLEAN, orders_quantity DECIMAL(18,4), "
            "promotion_days INT)"
        )
        con.execute("CREATE TABLE successors (item_code TEXT, successor_item_code TEXT)")
        con.executemany("INSERT INTO demand_history VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", cells)
        if successors:
            con.executemany("INSERT INTO successors VALUES (?, ?)", successors)
        frame = weekly(con, grain, date(2025, 3, 3))
    frame["measured"] = frame[measure]
    return sorted(
        (r.item_code, r.location_code, r.week_start.date().isoformat(), None if math.isnan(r.measured) else r.measured)
        for r in frame.itertuples()
    )


def cell(
    item: str,
    location: str,
    day: str,
    quantity: float | None,
    *,
    week: str = "",
    days: int = 7,
    state: str = "sold",
    whole: bool = True,
    promoted: int = 0,
) -> tuple[object, ...]:
    return (item, location, "ALL", day, week or day, days, state, whole, quantity, promoted)


def test_partial_weeks_are_summed_and_what_the_grain_leaves_out_is_all() -> None:
    cells = [
        cell("A", "S1", "2025-01-27", 3, days=5),
        cell("A", "S1", "2025-02-01", 4, week="2025-01-27", days=2),
        cell("A", "S2", "2025-01-27", 10, days=5),
        cell("A", "S2", "2025-02-01", 0, week="2025-01-27", days=2, state="true_zero"),
    ]
    assert weekly_of(cells) == [("A", "S1", "2025-01-27", 7.0), ("A", "S2", "2025-01-27", 10.0)]
    assert weekly_of(cells, grain=("item",)) == [("A", "ALL", "2025-01-27", 17.0)]


def test_a_week_that_is_cut_by_the_start_of_history_or_lies_in_the_cycle_is_left_out() -> None:
    cells = [
        cell("A", "S1", "2025-02-01", 4, week="2025-01-27", days=2),
        cell("A", "S1", "2025-02-03", 5),
        cell("A", "S1", "2025-03-03", 6),
    ]
    assert weekly_of(cells) == [("A", "S1", "2025-02-03", 5.0)]


def test_missing_and_sold_out_weeks_are_unknown_and_true_zeros_are_zero() -> None:
    cells = [
        cell("A", "S1", "2025-02-03", None, state="missing", whole=False),
        cell("A", "S1", "2025-02-10", 0, state="out_of_stock"),
        cell("A", "S1", "2025-02-17", 0, state="true_zero"),
        cell("A", "S1", "2025-02-24", 2, whole=False),
    ]
    assert [row[3] for row in weekly_of(cells)] == [None, None, 0.0, None]


def test_a_week_is_sold_out_where_it_was_so_everywhere_and_a_day_of_it_is_enough() -> None:
    cells = [
        # Out of stock in one part of the week, and sold in none.
        cell("A", "S1", "2025-01-27", 0, days=5, state="out_of_stock"),
        cell("A", "S1", "2025-02-01", 0, week="2025-01-27", days=2, state="true_zero"),
        cell("A", "S2", "2025-01-27", 0, days=5, state="out_of_stock"),
        cell("A", "S2", "2025-02-01", 1, week="2025-01-27", days=2),
    ]
    assert weekly_of(cells) == [("A", "S1", "2025-01-27", None), ("A", "S2", "2025-01-27", 1.0)]
    assert weekly_of(cells, grain=("item",)) == [("A", "ALL", "2025-01-27", 1.0)]
    assert weekly_of(cells[:2], grain=("item",)) == [("A", "ALL", "2025-01-27", None)]


def test_days_on_promotion_are_those_of_the_whole_week_where_it_had_most() -> None:
    cells = [
        cell("A", "S1", "2025-01-27", 3, days=5, promoted=5),
        cell("A", "S1", "2025-02-01", 4, week="2025-01-27", days=2, promoted=2),
        cell("A", "S2", "2025-01-27", 1, days=5, promoted=3),
        cell("A", "S2", "2025-02-01", 1, week="2025-01-27", days=2),
    ]
    found = weekly_of(cells, measure="promotion_days")
    assert found == [("A", "S1", "2025-01-27", 7), ("A", "S2", "2025-01-27", 3)]
    assert weekly_of(cells, grain=("item",), measure="promotion_days") == [("A", "ALL", "2025-01-27", 7)]


def test_the_predecessor_s_history_feeds_its_successor() -> None:
    cells = [cell("OLD", "S1", "2025-02-03", 5), cell("NEW", "S1", "2025-02-10", 7), cell("OLD", "S1", "2025-02-10", 1)]
    assert weekly_of(cells, [("OLD", "NEW")]) == [("NEW", "S1", "2025-02-03", 5.0), ("NEW", "S1", "2025-02-10", 8.0)]
