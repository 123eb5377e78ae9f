"""From weekly demand to series that methods can learn from: complete, equally spaced, gaps filled.

statsforecast takes a gap for no gap, in silence; so each series holds every week from its first to the last known one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

__all__ = ["KEYS", "Series", "complete"]

KEYS = ("item_code", "location_code", "channel_code")
NEIGHBOURS = 4


@dataclass(frozen=True)
class Series:
    """Training data. `frame` has unique_id, ds (week's first day), y (filled), actual (NaN where not known) and
    promotion_days; `keys` has unique_id and item, location and channel; weeks run to `last_week` for every series."""

    frame: pd.DataFrame
    keys: pd.DataFrame
    last_week: pd.Timestamp

    @property
    def lengths(self) -> pd.Series:
        """Weeks of each series, by unique_id."""
        return self.frame.groupby("unique_id", sort=True).size()

    def only(self, ids: set[str]) -> Series:
        """These series alone."""
        return Series(
            self.frame[self.frame["unique_id"].isin(ids)], self.keys[self.keys["unique_id"].isin(ids)], self.last_week
        )


def complete(weekly: pd.DataFrame, last_week: pd.Timestamp) -> Series:
    """Complete weekly rows (KEYS, week_start, quantity or NaN, promotion_days) up to `last_week`.

    A week that is missing, or out of stock, is filled with the median of up to four known weeks before and after it:
    it keeps the level without making up a peak. It counts as an actual nowhere. Leading weeks that are not known are
    left out. A series without a single known week is left out.
    """
    frame = weekly.copy()
    frame["ds"] = pd.to_datetime(frame["week_start"])
    frame = frame[frame["ds"] <= last_week]
    frame["unique_id"] = frame[list(KEYS)].agg("\x1f".join, axis=1) if len(frame) else pd.Series(dtype=str)
    frame = frame.sort_values(["unique_id", "ds"], kind="stable")
    known = frame[frame["quantity"].notna()]
    first = known.groupby("unique_id", sort=True)["ds"].min()
    spans = [
        pd.DataFrame({"unique_id": uid, "ds": pd.date_range(start, last_week, freq="7D")})
        for uid, start in first.items()
    ]
    if not spans:
        empty = pd.DataFrame(columns=["unique_id", "ds", "y", "actual", "promotion_days"])
        return Series(empty, pd.DataFrame(columns=["unique_id", *KEYS]), last_week)
    spine = pd.concat(spans, ignore_index=True)
    joined = spine.merge(frame[["unique_id", "ds", "quantity", "promotion_days"]], on=["unique_id", "ds"], how="left")
    joined["actual"] = joined.pop("quantity").astype("float64")
    joined["promotion_days"] = joined["promotion_days"].fillna(0).astype("float64")
    joined["y"] = joined.groupby("unique_id", sort=False)["actual"].transform(lambda s: fill(s.to_numpy()))
    keys = frame[["unique_id", *KEYS]].drop_duplicates("unique_id")
    keys = keys[keys["unique_id"].isin(first.index)].sort_values("unique_id").reset_index(drop=True)
    return Series(joined[["unique_id", "ds", "y", "actual", "promotion_days"]], keys, last_week)


def fill(values: np.ndarray) -> np.ndarray:
    """Gaps (NaN) filled with the median of up to four known values on either side; zero where there is none."""
    gaps = np.flatnonzero(np.isnan(values))
    if not len(gaps):
        return values
    filled = values.copy()
    known = np.flatnonzero(~np.isnan(values))
    for gap in gaps:
        at = int(np.searchsorted(known, gap))
        near = known[max(0, at - NEIGHBOURS) : at + NEIGHBOURS]
        filled[gap] = float(np.median(values[near])) if len(near) else 0.0
    return filled
