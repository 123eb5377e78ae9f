"""Which slices are to be compared: those that something touched since the last time, or all of them.

What was seen is remembered in marks beside the totals: each feed's last ingest, and the fingerprints of the months of
order lines, demand history and the books. The cost of a run grows with what changed, not with what there is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from o9_assets.dataset import Dataset
from o9_assets.landing.accepted import FEW, changes_since
from o9_assets.resources.lake import Lake, isin

if TYPE_CHECKING:
    import duckdb

__all__ = ["Seen", "months_of", "objects_since", "seen"]


@dataclass(frozen=True, slots=True)
class Seen:
    """What the last run saw of a table, and what is there now: fingerprints by month."""

    name: str
    before: Mapping[str, str]
    now: Mapping[str, str]

    @property
    def changed(self) -> set[date]:
        """First days of months whose rows are others."""
        months = {*self.before, *self.now}
        return {date.fromisoformat(month) for month in months if self.before.get(month) != self.now.get(month)}

    @property
    def mark(self) -> tuple[str, str]:
        return f"{self.name}.months", json.dumps(dict(self.now), separators=(",", ":"))


def seen(lake: Lake, name: str, dataset: Dataset, marks: Mapping[str, str]) -> Seen:
    """How a table stands against what the marks remember of it."""
    return Seen(name, json.loads(marks.get(f"{name}.months", "{}")), lake.fingerprints(dataset)[1])


def objects_since(con: duckdb.DuckDBPyConnection, lake: Lake, feed: str, seq: str | None) -> tuple[list[str], str]:
    """Objects of a feed that came or were replaced since a watermark, and the new one."""
    changes = changes_since(con, lake, feed, int(seq or 0))
    return [*changes.new_objects, *changes.replaced_objects], str(changes.seq)


def months_of(
    con: duckdb.DuckDBPyConnection, lake: Lake, dataset: Dataset, column: str, objects: list[str]
) -> set[date]:
    """Calendar months of a day's column in the rows of some objects."""
    if not objects:
        return set()
    where = isin("object_id", objects) if len(objects) <= FEW else None
    lake.view(con, "of_objects", dataset, columns=["object_id", column], where=where)
    rows = con.execute(
        f"SELECT DISTINCT CAST(date_trunc('month', {column}) AS DATE) FROM of_objects "
        f"WHERE {column} IS NOT NULL AND list_contains($1, object_id)",
        [objects],
    ).fetchall()
    return {row[0] for row in rows}
