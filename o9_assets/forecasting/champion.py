"""Who wins: the method with the smallest absolute error on the rows that all methods of a series were measured on."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from o9_assets.forecasting.methods import Plan

__all__ = ["champions", "judged"]


def judged(backtest: pd.DataFrame, actuals: pd.DataFrame) -> pd.DataFrame:
    """The backtest with `actual` (NaN where the week is not known) joined by unique_id and ds."""
    return backtest.merge(actuals[["unique_id", "ds", "actual"]], on=["unique_id", "ds"], how="left")


def champions(rows: pd.DataFrame, chosen: Plan) -> dict[str, str]:
    """The champion by unique_id: smallest Σ|F−A| over rows whose actual is known and that every method forecast.

    All methods of a series are measured on the same rows, so the smallest sum is the smallest WAPE, and the champion is
    never worse than the series' reference on them. Among equals the reference wins, then the first by name. A series
    that cannot be validated keeps its reference.
    """
    winners = {uid: chosen.reference[uid] for uid in chosen.reference}
    known = rows[rows["actual"].notna()]
    if known.empty:
        return winners
    error = (known["forecast"] - known["actual"]).abs()
    table = known.assign(error=error).set_index(["unique_id", "cutoff", "ds", "method"])["error"].unstack("method")
    for uid, group in table.groupby(level="unique_id"):
        tried = [str(m) for m in table.columns if group[m].notna().any()]
        # A method that failed somewhere is out: it cannot be measured on the rows of the others.
        whole = [m for m in tried if group[m].notna().all()]
        reference = chosen.reference[str(uid)]
        sums = {m: float(group[m].sum()) for m in whole}
        if reference not in sums:
            continue
        best = min(sums, key=lambda m: (sums[m], m != reference, m))
        winners[str(uid)] = best
    return winners
