"""Drivers as a forecast of a given moment may use them: nothing that became known later, whatever the week.

Known in advance is only what the feed itself published ahead. A week to come that it does not reach has the value of
the week 52 weeks before, as far as that was known; beyond that the value is left out (NaN), which trees understand.
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

__all__ = ["EVERYWHERE", "Drivers"]

EVERYWHERE = "*"
YEAR = pd.Timedelta(weeks=52)


@dataclass(frozen=True)
class Drivers:
    """`values` has driver_name, region_name (`*` everywhere), ds (week's first day), known_from and driver_value, a row
    for each version; `places` has unique_id and region_name, a row for each region that a series is sold in."""

    values: pd.DataFrame
    places: pd.DataFrame

    @property
    def names(self) -> list[str]:
        """The drivers that there are, in order."""
        return sorted(self.values["driver_name"].unique())

    @property
    def columns(self) -> list[str]:
        """A column for each driver, in the order of `names`; numbered, since trees do not take every name."""
        return [f"driver_{number}" for number, _ in enumerate(self.names, start=1)]

    def as_known(self, origin: pd.Timestamp, weeks: pd.DatetimeIndex) -> pd.DataFrame:
        """unique_id, ds and a column per driver for `weeks`, as known when `origin`, the first week not known, began.

        Where a series is sold in several regions, the value is their mean.
        """
        # What came in on the origin's first day is in time for a cycle that runs on it.
        known = self.values[self.values["known_from"] < origin + pd.Timedelta(days=1)]
        latest = known.sort_values("known_from", kind="stable").drop_duplicates(
            ["driver_name", "region_name", "ds"], keep="last"
        )
        table = latest.pivot(index="ds", columns=["driver_name", "region_name"], values="driver_value")
        wide = table.reindex(weeks)
        year_before = table.reindex(weeks - YEAR).set_axis(weeks)
        ahead = wide.index >= origin
        wide.loc[ahead] = wide.loc[ahead].where(wide.loc[ahead].notna(), year_before.loc[ahead])
        regions = sorted(set(self.places["region_name"]))
        frames = []
        for name, column in zip(self.names, self.columns, strict=True):
            by_region = {
                region: wide.get((name, region), wide.get((name, EVERYWHERE), pd.Series(float("nan"), weeks)))
                for region in [*regions, EVERYWHERE]
            }
            long = pd.DataFrame(by_region).rename_axis("ds").reset_index().melt("ds", var_name="region_name")
            frames.append(long.rename(columns={"value": column}).set_index(["region_name", "ds"]))
        joined = self.places.merge(pd.concat(frames, axis=1).reset_index(), on="region_name", how="left")
        return joined.groupby(["unique_id", "ds"], sort=True)[self.columns].mean().reset_index()
