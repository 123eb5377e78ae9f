"""Corrections of published history: the difference that they make is shown before anything is sent, and where the
settings say `corrections: hold` nothing of it is sent until a person approves that very difference."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from o9_assets.exchange.datasets import HELD, KEY, MEASURES
from o9_assets.failures import Permanent
from o9_assets.resources.lake import Lake, everything

if TYPE_CHECKING:
    import duckdb

__all__ = ["Difference", "MonthChange", "NotApproved", "difference", "hold", "keep_held"]

SHOWN = 50
CORRECTED = "change <> 'new'"


class NotApproved(Permanent):
    """What was approved is not what would be sent."""


@dataclass(frozen=True, slots=True)
class MonthChange:
    """A measure in a month: cells that change, their sum as o9 holds it, and as it would become."""

    month_start: date
    measure: str
    cells: int
    was: Decimal
    becomes: Decimal

    def __str__(self) -> str:
        return f"{self.month_start:%Y-%m} {self.measure}: {self.cells:,} cells, {self.was:f} → {self.becomes:f}"


@dataclass(frozen=True, slots=True)
class Difference:
    """What corrections would change: how many cells, the sums by month, and the cells that change most."""

    difference_id: str
    replaced: int
    retracted: int
    months: tuple[MonthChange, ...]
    cells: tuple[tuple[str, ...], ...]

    def lines(self) -> Iterator[str]:
        """The difference told for a log."""
        yield (
            f"corrections of published history: {self.replaced:,} cells replaced, {self.retracted:,} retracted "
            f"(difference {self.difference_id})"
        )
        yield from map(str, self.months)


def difference(con: duckdb.DuckDBPyConnection, measures: dict[str, str]) -> Difference | None:
    """The difference that `changes` makes to what o9 holds; None where it only adds. `measures`: ours to o9's."""
    # Equal changes give an equal id, in whatever order: it is what a person approves.
    fields = ", ".join([*KEY, *MEASURES, *(f"was_{m}" for m in MEASURES)])
    [(replaced, retracted, content)] = con.execute(
        "SELECT count(*) FILTER (WHERE change = 'replaced'), count(*) FILTER (WHERE change = 'retracted'), "
        f"bit_xor(hash({fields})) FROM changes WHERE {CORRECTED}"
    ).fetchall()
    if not replaced + retracted:
        return None
    months, cells = list[MonthChange](), list[tuple[str, ...]]()
    for measure, name in measures.items():
        differs = f"{CORRECTED} AND {measure} IS DISTINCT FROM was_{measure}"
        rows = con.execute(
            f"SELECT month_start, count(*), coalesce(sum(was_{measure}), 0), coalesce(sum({measure}), 0) "
            f"FROM changes WHERE {differs} GROUP BY 1 ORDER BY 1"
        ).fetchall()
        months += [MonthChange(month, name, count, was, becomes) for month, count, was, becomes in rows]
        rows = con.execute(
            f"SELECT bucket_label, item_code, location_code, channel_code, change, was_{measure}, {measure} "
            f"FROM changes WHERE {differs} "
            f"ORDER BY abs(coalesce({measure}, 0) - coalesce(was_{measure}, 0)) DESC, {', '.join(KEY)} LIMIT {SHOWN}"
        ).fetchall()
        cells += [(name, *("" if value is None else str(value) for value in row)) for row in rows]
    found = f"{replaced + retracted:x}-{content:016x}"
    return Difference(found, replaced, retracted, tuple(months), tuple(cells))


def hold(con: duckdb.DuckDBPyConnection, found: Difference, approved: str | None, batch_size: int) -> set[date]:
    """Take corrections that are not approved out of `changes`, into the table `held`; returns their months.

    Raises NotApproved where another difference was approved than this one: it is to be looked at again.
    """
    if approved is not None:
        if approved != found.difference_id:
            raise NotApproved(
                f"The difference is {found.difference_id} by now, not {approved}.",
                remedy="Look at it (dry_run shows it) and approve that one; nothing was sent.",
            )
        return set()
    con.execute(f"CREATE TEMP TABLE held AS SELECT * FROM changes WHERE {CORRECTED}").fetchall()
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE changes AS
        SELECT * EXCLUDE (place) REPLACE (place // {batch_size} AS chunk_no, place % {batch_size} AS row_no)
        FROM (SELECT *, row_number() OVER (ORDER BY chunk_no, row_no) - 1 AS place FROM changes WHERE NOT ({CORRECTED}))
        """
    ).fetchall()
    return {row[0] for row in con.execute("SELECT DISTINCT month_start FROM held").fetchall()}


def keep_held(con: duckdb.DuckDBPyConnection, lake: Lake, found: Difference | None, now: datetime) -> None:
    """Keep what is held (the table `held`; nothing where `found` is None) in place of what was held before."""
    if found is None:
        if lake.row_count(HELD):
            lake.overwrite(HELD, HELD.arrow_schema.empty_table(), everything())
        return
    lake.view(con, "held_before", HELD, columns=["difference_id"])
    if con.execute("SELECT DISTINCT difference_id FROM held_before").fetchall() == [(found.difference_id,)]:
        return  # it waits since it was found
    columns = ", ".join(HELD.column_names[:-2])
    lake.overwrite(
        HELD,
        con.sql(
            f"SELECT {columns}, '{found.difference_id}' AS difference_id, TIMESTAMP '{now.isoformat()}' AS held_at "
            f"FROM held ORDER BY {', '.join(KEY)}"
        ),
        everything(),
    )
