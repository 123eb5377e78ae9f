"""Members of o9's dimensions: created before facts are sent where the profile says so, and named where they lack."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from typing import TYPE_CHECKING

from o9_assets.exchange.rows import member_rows, time_member
from o9_assets.planning.calendar import Calendar
from o9_assets.planning.settings import Settings
from o9_assets.resources.o9 import O9Client

if TYPE_CHECKING:
    import duckdb

__all__ = ["create_members", "create_time", "dimension_of", "lacking"]

CODES = {"item": "item_code", "location": "location_code", "channel": "channel_code", "time": "bucket_label"}
ASK_ONE_BY_ONE = 2_000
"""Up to so many names o9 is asked for those; beyond, it lists all that it has."""


def dimension_of(column: str) -> str:
    """`Item.[Planning Item]` is of the dimension Item."""
    return column.partition(".[")[0]


def create_members(con: duckdb.DuckDBPyConnection, settings: Settings, client: O9Client) -> int:
    """Create the members of `planned` that o9 lacks, where the profile says so; returns how many."""
    made = 0
    for name, column in settings.o9.columns.items():
        if name in ("version", "time") or name not in client.profile.create_members:
            continue
        rows = con.execute(f"SELECT DISTINCT {CODES[name]} FROM planned WHERE change <> 'retracted'").fetchall()
        missing = _missing(client, dimension_of(column), {row[0] for row in rows})
        if missing:
            made += client.create_members(dimension_of(column), member_rows(missing))
    [(first, last)] = con.execute("SELECT min(bucket_start), max(bucket_start) FROM planned").fetchall()
    return made + create_time(settings, client, first, last)


def create_time(settings: Settings, client: O9Client, first: date, last: date) -> int:
    """Create the partial weeks from `first` to a horizon after `last` that o9 lacks; returns how many."""
    if "time" not in client.profile.create_members:
        return 0
    ahead = timedelta(weeks=settings.forecast.horizon_weeks + 6)
    buckets = Calendar(settings.calendar).buckets(first, last + ahead)
    dimension = dimension_of(settings.o9.columns["time"])
    missing = set(_missing(client, dimension, {b.bucket_label for b in buckets}))
    rows = [time_member(b.bucket_label, b.start, b.end) for b in buckets if b.bucket_label in missing]
    return client.create_members(dimension, rows) if rows else 0


def lacking(
    con: duckdb.DuckDBPyConnection, settings: Settings, client: O9Client, relation: str
) -> list[tuple[str, str, str]]:
    """Members in a relation's cells that o9 does not have: the cells' column, the dimension and the name."""
    found = []
    for name, column in settings.o9.columns.items():
        if name == "version":
            continue
        names = {row[0] for row in con.execute(f"SELECT DISTINCT {CODES[name]} FROM {relation}").fetchall()}
        dimension = dimension_of(column)
        found += [(CODES[name], dimension, member) for member in _missing(client, dimension, names)]
    return found


def _missing(client: O9Client, dimension: str, names: Iterable[str]) -> list[str]:
    wanted = set(names)
    held = client.members(dimension, wanted if len(wanted) <= ASK_ONE_BY_ONE else None)
    return sorted(wanted - held)
