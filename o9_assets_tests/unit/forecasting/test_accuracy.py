"""Measures of accuracy by their definitions: sums are aggregated, unknown actuals left out."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from o9_assets.forecasting import accuracy

F, A = [10.0, 0.0, 5.0, 7.0], [8.0, 2.0, 5.0, math.nan]


def test_wape_and_bias_of_known_rows() -> None:
    assert accuracy.wape(F, A) == pytest.approx(4 / 15)
    assert accuracy.bias(F, A) == pytest.approx(0.0)
    assert accuracy.bias([12.0], [10.0]) == pytest.approx(0.2)  # above zero: too high


def test_nothing_to_divide_by_is_no_number() -> None:
    assert math.isnan(accuracy.wape([1.0], [0.0]))
    assert math.isnan(accuracy.wape([], []))
    assert math.isnan(accuracy.coverage([], []))


def test_mase_and_rmsse_scale_by_the_naive_error_of_history() -> None:
    history = [1.0, 3.0, 1.0, 3.0]  # naive errors 2, -2, 2; of season 2: 0, 0
    assert accuracy.mase([4.0, 4.0], [3.0, 7.0], history) == pytest.approx(1.0)
    assert accuracy.rmsse([4.0, 4.0], [3.0, 7.0], history) == pytest.approx(math.sqrt(5 / 4))
    assert math.isnan(accuracy.mase([4.0], [3.0], history, season=2))


def test_the_tracking_signal_tells_a_forecast_that_is_off_to_one_side() -> None:
    assert accuracy.tracking_signal([8.0] * 5, [10.0] * 5) == pytest.approx(5.0)
    assert accuracy.tracking_signal([8.0, 12.0], [10.0, 10.0]) == pytest.approx(0.0)


def test_value_added_compares_the_same_rows() -> None:
    assert accuracy.forecast_value_added([5.0, math.nan], [9.0, 9.0], [10.0, 10.0]) == pytest.approx(0.4)


def test_stability_is_over_cells_in_both_cycles() -> None:
    assert accuracy.stability([11.0, 5.0, math.nan], [10.0, math.nan, 3.0]) == pytest.approx(0.1)


def test_quantile_loss_and_coverage() -> None:
    assert accuracy.pinball_loss([10.0], [12.0], 0.9) == pytest.approx(1.8)
    assert accuracy.pinball_loss([12.0], [10.0], 0.9) == pytest.approx(0.2)
    assert accuracy.weighted_quantile_loss([[10.0], [12.0]], [12.0], [0.5, 0.9]) == pytest.approx((2 / 12 + 0) / 2)
    assert accuracy.coverage([1.0, 2.0, 3.0], [1.0, 3.0, 2.0]) == pytest.approx(2 / 3)


def test_a_quantile_outside_0_and_1_is_refused() -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        accuracy.pinball_loss([1.0], [1.0], 1.0)


def test_columns_of_unequal_length_are_refused() -> None:
    with pytest.raises(ValueError, match="differ in length"):
        accuracy.wape([1.0], [1.0, 2.0])


NUMBERS = st.lists(st.floats(0.5, 1e6), min_size=1, max_size=30)


@given(NUMBERS, st.floats(0.1, 10))
def test_wape_does_not_depend_on_the_unit(actual: list[float], factor: float) -> None:
    forecast = np.asarray(actual) * 1.1
    scaled = accuracy.wape(forecast * factor, np.asarray(actual) * factor)
    assert scaled == pytest.approx(accuracy.wape(forecast, actual))


@given(NUMBERS)
def test_the_median_minimises_the_loss_of_the_middle_quantile(actual: list[float]) -> None:
    at_median = accuracy.pinball_loss([float(np.median(actual))] * len(actual), actual, 0.5)
    assert at_median <= accuracy.pinball_loss([float(np.mean(actual))] * len(actual), actual, 0.5) * (1 + 1e-9)
