"""Whether o9 holds what our books say: counts, quantities and a hash for each measure and partial week, read back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from itertools import groupby
from typing import Any

from o9_assets.exchange.datasets import DEMAND_EXPORT
from o9_assets.exchange.rows import hold
from o9_assets.planning.calendar import Bucket, Calendar
from o9_assets.planning.settings import Settings
from o9_assets.resources.engine import Engine
from o9_assets.resources.lake import Lake, isin
from o9_assets.resources.o9 import O9Client

__all__ = ["Break", "ReadBack", "read_back"]

NEAR = timedelta(days=21)
"""Partial weeks this near are read in one go; beyond, the ones between are left out."""
SHOWN = 20


@dataclass(frozen=True, slots=True)
class Break:
    """A measure and partial week in which o9 and the books differ, with the first cells of it."""

    bucket_label: str
    measure: str
    our_cells: int
    their_cells: int
    our_quantity: Decimal
    their_quantity: Decimal
    examples: tuple[str, ...]

    def __str__(self) -> str:
        return (
            f"{self.measure} {self.bucket_label}: books {self.our_cells:,} cells, {self.our_quantity}; "
            f"o9 {self.their_cells:,} cells, {self.their_quantity}; such as {', '.join(self.examples)}"
        )


@dataclass(frozen=True, slots=True)
class ReadBack:
    """Partial weeks compared, measure values that agree, and the breaks."""

    buckets: int
    agreed: int
    breaks: tuple[Break, ...]


def read_back(settings: Settings, starts: Iterable[date], *, lake: Lake, engine: Engine, client: O9Client) -> ReadBack:
    """Compare the partial weeks that begin on `starts`, month by month, so that memory stays flat."""
    calendar = Calendar(settings.calendar)
    buckets = [calendar.bucket_of(start) for start in sorted(set(starts))]
    agreed, breaks = 0, list[Break]()
    for month, some in groupby(buckets, key=lambda bucket: bucket.month_start):
        with engine.connect() as con:
            lake.view(con, "all_books", DEMAND_EXPORT, where=isin("month_start", [month]))
            same, different = _compare(con, settings, calendar, list(some), client)
        agreed += same
        breaks += different
    return ReadBack(len(buckets), agreed, tuple(breaks))


def _compare(
    con: Any, settings: Settings, calendar: Calendar, buckets: Sequence[Bucket], client: O9Client
) -> tuple[int, list[Break]]:
    """Partial weeks of one month: values that agree, and breaks."""
    o9, labels = settings.o9, {bucket.bucket_label for bucket in buckets}

    def pages() -> Iterator[Sequence[dict[str, Any]]]:
        for first, last in _spans(buckets):
            yield from client.facts(o9.measure_group, first=first, last=last)

    hold(con, "held", pages(), o9)
    key = "item_code, location_code, channel_code, bucket_label"
    # Partial weeks between those asked for are left out. A label that no calendar knows stays: nobody sent that.
    between = {b.bucket_label for b in calendar.buckets(buckets[0].start, buckets[-1].start)} - labels
    con.execute("DELETE FROM held WHERE list_contains($1, bucket_label)", [sorted(between)]).fetchall()
    con.execute(
        "CREATE TEMP TABLE books AS SELECT * FROM all_books WHERE list_contains($1, bucket_label)", [sorted(labels)]
    ).fetchall()
    agreed, breaks = 0, []
    for measure, name in o9.measures.items():
        sums = (
            f"count({measure}) AS cells, coalesce(sum({measure}), 0) AS quantity, "
            f"bit_xor(hash({key}, {measure})) FILTER (WHERE {measure} IS NOT NULL) AS content"
        )
        rows = con.execute(
            f"""
            WITH ours AS (SELECT bucket_label, {sums} FROM books GROUP BY 1),
            theirs AS (SELECT bucket_label, {sums} FROM held GROUP BY 1)
            SELECT bucket_label, coalesce(ours.cells, 0), coalesce(theirs.cells, 0),
                coalesce(ours.quantity, 0), coalesce(theirs.quantity, 0),
                coalesce(ours.cells, 0) = coalesce(theirs.cells, 0)
                AND ours.content IS NOT DISTINCT FROM theirs.content
            FROM ours FULL OUTER JOIN theirs USING (bucket_label) ORDER BY 1
            """
        ).fetchall()
        agreed += sum(row[1] for row in rows if row[-1])
        for label, ours, theirs, quantity, their_quantity, same in rows:
            if not same:
                examples = _examples(con, measure, label, key)
                breaks.append(Break(label, name, ours, theirs, quantity, their_quantity, examples))
    return agreed, breaks


def _spans(buckets: Sequence[Bucket]) -> Iterator[tuple[date, date]]:
    """First and last days of runs of partial weeks, so that far ones are read without what lies between."""
    first = last = buckets[0].start
    for bucket in buckets[1:]:
        if bucket.start - last > NEAR:
            yield first, last
            first = bucket.start
        last = bucket.start
    yield first, last


def _examples(con: Any, measure: str, label: str, key: str) -> tuple[str, ...]:
    """The first cells that differ: ours against theirs."""
    rows = con.execute(
        f"""
        SELECT item_code, location_code, channel_code, b.{measure}, h.{measure}
        FROM (SELECT * FROM books WHERE bucket_label = $1) AS b
        FULL OUTER JOIN (SELECT * FROM held WHERE bucket_label = $1) AS h USING ({key})
        WHERE b.{measure} IS DISTINCT FROM h.{measure} ORDER BY 1, 2, 3 LIMIT {SHOWN}
        """,
        [label],
    ).fetchall()
    return tuple(f"{' · '.join(row[:3])}: {row[3]} here, {row[4]} there" for row in rows) or ("a cell held twice",)
