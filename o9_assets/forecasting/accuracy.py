"""Measures of forecast accuracy, each defined once. F is the forecast, A the actual.

Sums are aggregated, percentages are never averaged; what is compared is compared on the same rows. A row whose actual
is not known (NaN) is left out. A measure that has nothing to divide by is NaN.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "bias",
    "coverage",
    "forecast_value_added",
    "mase",
    "pinball_loss",
    "rmsse",
    "stability",
    "tracking_signal",
    "wape",
    "weighted_quantile_loss",
]

Floats = NDArray[np.float64]


def _known(*columns: ArrayLike) -> tuple[Floats, ...]:
    """The columns as floats, without rows in which any is NaN. Raises ValueError for columns of unequal length."""
    arrays = [np.asarray(column, dtype=np.float64) for column in columns]
    if len({array.shape for array in arrays}) > 1:
        raise ValueError(f"columns differ in length: {[array.shape for array in arrays]}")
    keep = ~np.any([np.isnan(array) for array in arrays], axis=0)
    return tuple(array[keep] for array in arrays)


def _ratio(numerator: float, denominator: float) -> float:
    return numerator / denominator if denominator else math.nan


def wape(forecast: ArrayLike, actual: ArrayLike) -> float:
    """Weighted absolute percentage error: Σ|F−A| / Σ|A|. Accuracy is max(0, 1 − WAPE)."""
    f, a = _known(forecast, actual)
    return _ratio(float(np.abs(f - a).sum()), float(np.abs(a).sum()))


def bias(forecast: ArrayLike, actual: ArrayLike) -> float:
    """Σ(F−A) / Σ|A|; above zero the forecast was too high."""
    f, a = _known(forecast, actual)
    return _ratio(float((f - a).sum()), float(np.abs(a).sum()))


def _naive_errors(history: ArrayLike, season: int) -> Floats:
    """In-sample errors of the (seasonal) naive forecast."""
    (y,) = _known(history)
    return y[season:] - y[:-season] if len(y) > season else np.empty(0)


def mase(forecast: ArrayLike, actual: ArrayLike, history: ArrayLike, season: int = 1) -> float:
    """Mean absolute scaled error: mean|F−A| ÷ mean absolute in-sample error of the (seasonal) naive forecast
    (Hyndman & Koehler 2006)."""
    f, a = _known(forecast, actual)
    naive = _naive_errors(history, season)
    if not len(f) or not len(naive):
        return math.nan
    return _ratio(float(np.abs(f - a).mean()), float(np.abs(naive).mean()))


def rmsse(forecast: ArrayLike, actual: ArrayLike, history: ArrayLike, season: int = 1) -> float:
    """Root mean squared scaled error: the square root of mean (F−A)² ÷ mean squared naive error (M5 competition)."""
    f, a = _known(forecast, actual)
    naive = _naive_errors(history, season)
    if not len(f) or not len(naive):
        return math.nan
    return math.sqrt(_ratio(float(((f - a) ** 2).mean()), float((naive**2).mean())))


def tracking_signal(forecast: ArrayLike, actual: ArrayLike) -> float:
    """Σ(A−F) / mean|A−F|; beyond ±4 the forecast is off to one side."""
    f, a = _known(forecast, actual)
    return _ratio(float((a - f).sum()), float(np.abs(a - f).mean()) if len(f) else 0.0)


def forecast_value_added(reference: ArrayLike, step: ArrayLike, actual: ArrayLike) -> float:
    """WAPE(reference) − WAPE(step) on the same rows; above zero the step made the forecast better."""
    r, s, a = _known(reference, step, actual)
    return wape(r, a) - wape(s, a)


def stability(this_cycle: ArrayLike, previous_cycle: ArrayLike) -> float:
    """Σ|F_this − F_previous| / ΣF_previous over the cells that both cycles forecast."""
    now, before = _known(this_cycle, previous_cycle)
    return _ratio(float(np.abs(now - before).sum()), float(before.sum()))


def pinball_loss(quantile_forecast: ArrayLike, actual: ArrayLike, quantile: float) -> float:
    """Σ max(q(A−F), (q−1)(A−F)), the loss that the q-quantile minimises. Raises ValueError outside 0 < q < 1."""
    if not 0 < quantile < 1:
        raise ValueError(f"a quantile lies between 0 and 1, not at {quantile}")
    f, a = _known(quantile_forecast, actual)
    error = a - f
    return float(np.maximum(quantile * error, (quantile - 1) * error).sum())


def weighted_quantile_loss(forecasts: Sequence[ArrayLike], actual: ArrayLike, quantiles: Sequence[float]) -> float:
    """Mean over the quantiles of 2 × pinball loss / Σ|A|."""
    losses = []
    for forecast, quantile in zip(forecasts, quantiles, strict=True):
        f, a = _known(forecast, actual)
        losses.append(_ratio(2 * pinball_loss(f, a, quantile), float(np.abs(a).sum())))
    return float(np.mean(losses))


def coverage(quantile_forecast: ArrayLike, actual: ArrayLike) -> float:
    """Share of actuals at or below the quantile's forecast; a good P90 covers 90 %."""
    f, a = _known(quantile_forecast, actual)
    return float((a <= f).mean()) if len(f) else math.nan
