"""Weekly demand at the forecast grain, from demand history (weekly.sql)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

__all__ = ["weekly"]

SQL = Path(__file__).with_name("weekly.sql")


def weekly(con: duckdb.DuckDBPyConnection, grain: Sequence[str], cycle: date) -> pd.DataFrame:
    """Rows of weekly.sql over `demand_history` and `successors`; the item is in `grain`, what it lacks is ALL."""
    location = "weeks.location_code" if "location" in grain else "'ALL'"
    channel = "weeks.channel_code" if "channel" in grain else "'ALL'"
    sql = SQL.read_text(encoding="utf-8").format(location=location, channel=channel, cycle=cycle.isoformat())
    return con.execute(sql).df()
