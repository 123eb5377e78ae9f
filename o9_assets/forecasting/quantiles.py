"""Quantiles of a forecast from what its method got wrong in the backtest (split-conformal, champion's residuals).

The residuals of all origins and lags of a series are pooled; with fewer than twenty of them, those of all series of its
demand class, scaled by level, stand in. So every method gets its band in the same way, and a band's coverage can be
measured.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["with_quantiles"]

ENOUGH = 20
NOTHING = 1e-6  # units a week: a level below it is no scale to divide by


def with_quantiles(
    predictions: pd.DataFrame, champion_rows: pd.DataFrame, classes: Mapping[str, str], quantiles: Sequence[float]
) -> pd.DataFrame:
    """`predictions` (unique_id, ds, forecast) with a column q0, q1, ... for each quantile, rising and never below zero.

    `champion_rows` holds the champions' backtest: unique_id, forecast, actual (NaN where not known).
    """
    known = champion_rows[champion_rows["actual"].notna()]
    residual = (known["actual"] - known["forecast"]).to_numpy(dtype=float)
    by_series = {
        str(uid): residual[index] for uid, index in known.reset_index(drop=True).groupby("unique_id").indices.items()
    }
    level = predictions.groupby("unique_id")["forecast"].mean()
    pooled: dict[str, list[np.ndarray]] = {}
    for uid, values in by_series.items():
        scale = float(level.get(uid, 0.0))
        if scale > NOTHING:
            pooled.setdefault(classes.get(uid, "new"), []).append(values / scale)
            pooled.setdefault("", []).append(values / scale)
    shares = {name: np.quantile(np.concatenate(parts), quantiles) for name, parts in pooled.items()}
    fallback = shares.get("", np.zeros(len(quantiles)))
    offsets = {}
    for uid in predictions["unique_id"].unique():
        own = by_series.get(uid)
        if own is not None and len(own) >= ENOUGH:
            offsets[uid] = np.quantile(own, quantiles)
        else:
            offsets[uid] = shares.get(classes.get(uid, "new"), fallback) * float(level.get(uid, 0.0))
    matrix = (
        np.vstack([offsets[uid] for uid in predictions["unique_id"]])
        if len(predictions)
        else np.empty((0, len(quantiles)))
    )
    band = np.maximum.accumulate(
        np.clip(predictions["forecast"].to_numpy(dtype=float)[:, None] + matrix, 0, None), axis=1
    )
    return predictions.assign(**{f"q{n}": band[:, n] for n in range(len(quantiles))})
