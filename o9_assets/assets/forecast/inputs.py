"""What both forecast datasets read: the series of a cycle, their demand classes, promotions to come, and drivers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

from o9_assets.assets.curated.demand_history import DEMAND_HISTORY
from o9_assets.assets.curated.demand_segments import DEMAND_SEGMENTS
from o9_assets.assets.curated.items import ITEMS
from o9_assets.failures import Permanent
from o9_assets.planning.settings import Settings

if TYPE_CHECKING:
    import pandas as pd

    from o9_assets.forecasting.drivers import Drivers
    from o9_assets.forecasting.methods import Setup
    from o9_assets.forecasting.series import Series
    from o9_assets.resources.engine import Engine
    from o9_assets.resources.lake import Lake

__all__ = ["Inputs", "read_inputs", "setup_of"]


@dataclass(frozen=True)
class Inputs:
    """A cycle's series that are still sold, their demand classes by unique_id, promotion days of weeks to come, and
    drivers; None where the company has none."""

    series: Series
    classes: dict[str, str]
    promotions: pd.DataFrame
    drivers: Drivers | None


def setup_of(settings: Settings) -> Setup:
    """The forecast's settings as methods take them."""
    import os

    from o9_assets.forecasting.methods import Setup

    given = settings.forecast
    return Setup(given.horizon_weeks, given.origins, given.season_weeks, given.seed, os.cpu_count() or 1)


def read_inputs(settings: Settings, cycle: str, lake: Lake, engine: Engine) -> Inputs:
    """Read what was known before the cycle's first day. Raises Permanent where no whole week of demand is there, or
    of no item that is still sold."""
    import pandas as pd

    from o9_assets.assets.forecast.drivers import drivers_of
    from o9_assets.assets.forecast.promotions import promotions_ahead
    from o9_assets.assets.forecast.successors import register_successors
    from o9_assets.forecasting.series import complete
    from o9_assets.forecasting.weekly import weekly

    with engine.connect() as con:
        for name, dataset in (("demand_history", DEMAND_HISTORY), ("items", ITEMS), ("segments", DEMAND_SEGMENTS)):
            lake.view(con, name, dataset)
        register_successors(con, lake, settings, [cycle])
        rows = weekly(con, settings.forecast.grain, date.fromisoformat(cycle))
        gone = {
            row[0]
            for row in con.execute(
                "SELECT item_code FROM items WHERE delisted_from_date <= ?", [date.fromisoformat(cycle)]
            ).fetchall()
        }
        segments = con.execute(
            "SELECT item_code || chr(31) || location_code || chr(31) || channel_code, demand_class FROM segments"
        ).fetchall()
        known = rows.loc[rows["quantity"].notna(), "week_start"]
        if known.empty:
            raise Permanent(
                f"Before {cycle} no whole week of demand is known.",
                remedy="Choose a later cycle, or bring in more history.",
            )
        series = complete(rows[~rows["item_code"].isin(gone)], pd.Timestamp(known.max()))
        if series.keys.empty:
            raise Permanent(
                f"Every item of which demand is known was delisted before {cycle}.",
                remedy="Choose an earlier cycle, or mend delisted_from_date in the item master.",
            )
        first = series.last_week + pd.Timedelta(days=7)
        last = pd.Timestamp(cycle) + timedelta(weeks=settings.forecast.horizon_weeks)
        ahead = promotions_ahead(con, settings, lake, series, first.date(), last.date())
        drivers = drivers_of(con, settings, lake, series)
    return Inputs(series, dict(segments), ahead, drivers)
