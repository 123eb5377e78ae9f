"""What o9 planned, kept cycle by cycle: written once, never overwritten, so that accuracy by lag can be computed later.

A cycle's first snapshot is revision 1. What differs from it later is an error that tells the difference; only where a
person asks for it (a run by hand does) the next revision is added, and the earlier ones stay.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from o9_assets.dataset import Column, Dataset
from o9_assets.failures import Permanent
from o9_assets.landing.accepted import accepted_view
from o9_assets.planning.calendar import Calendar
from o9_assets.planning.settings import Settings
from o9_assets.resources.lake import Lake, all_of, equal

if TYPE_CHECKING:
    import duckdb

__all__ = ["PLAN_SNAPSHOTS", "SnapshotDiffers", "SnapshotReport", "keep_snapshot"]

PLAN_SNAPSHOTS = Dataset(
    "o9.plan_snapshots",
    "One row per cycle, revision, measure and cell of what o9 planned, as it was at the cycle; written once.",
    (
        Column("cycle", "string", "Planning cycle, the ISO date of its first day; the partition", True),
        Column("revision", "int32", "1 is the cycle's snapshot; later ones were asked for by a person", True),
        Column("source", "string", "Dataset that it came through: raw.o9_plan or raw.o9_forecasts", True),
        Column("version_name", "string", "o9 version", True),
        Column("measure_name", "string", "o9 measure, such as Consensus Fcst", True),
        Column("item_code", "string", "Item", True),
        Column("location_code", "string", "Location", True),
        Column("channel_code", "string", "Channel", True),
        Column("bucket_label", "string", "Partial week, in o9's label", True),
        Column("bucket_start", "date", "Its first day; null where no partial week near the cycle bears the label"),
        Column("lag_weeks", "int32", "Weeks ahead, 1 being the cycle's own week; null with bucket_start"),
        Column("quantity", "decimal(18,4)", "Quantity in base units", True),
        Column("kept_at", "timestamp", "When the revision was written (UTC)", True),
    ),
    key=(
        *("cycle", "revision", "source", "version_name", "measure_name"),
        *("item_code", "location_code", "channel_code", "bucket_label"),
    ),
    partition_by=("cycle",),
)
CELL = "source, version_name, measure_name, item_code, location_code, channel_code, bucket_label"
SHOWN = 5


class SnapshotDiffers(Permanent):
    """What o9 gives for a closed cycle is not what was kept of it."""


@dataclass(frozen=True, slots=True)
class SnapshotReport:
    """Rows of the cycle's latest revision, which one it is, whether this run wrote it, and labels of no week."""

    rows: int
    revision: int
    written: bool
    unknown_labels: tuple[str, ...]


def keep_snapshot(
    con: duckdb.DuckDBPyConnection,
    settings: Settings,
    sources: Sequence[Dataset],
    cycle: date,
    *,
    lake: Lake,
    now: datetime,
    new_revision: bool = False,
) -> SnapshotReport:
    """Keep what `sources` hold of a cycle (their latest versions). A second call with equal rows changes nothing.

    Raises SnapshotDiffers for other rows unless `new_revision` asks for them, CommitConflict where another run wrote
    the cycle meanwhile.
    """
    name = cycle.isoformat()
    base = lake.view(con, "kept", PLAN_SNAPSHOTS, where=equal("cycle", name))
    [(revision, kept)] = con.execute(
        "SELECT coalesce(max(revision), 0), count(*) FILTER (revision = (SELECT max(revision) FROM kept)) FROM kept"
    ).fetchall()
    _present(con, settings, sources, cycle, lake)
    [(rows,)] = con.execute("SELECT count(*) FROM present").fetchall()
    labels = con.execute("SELECT DISTINCT bucket_label FROM present WHERE bucket_start IS NULL ORDER BY 1").fetchall()
    unknown = tuple(label for (label,) in labels)
    if not rows:
        return SnapshotReport(kept, revision, False, unknown)
    if revision:
        told = _differences(con, revision)
        if not told:
            return SnapshotReport(kept, revision, False, unknown)
        if not new_revision:
            raise SnapshotDiffers(
                f"Cycle {name} was kept as revision {revision}; o9 gives otherwise now: {told}.",
                remedy="Nothing was overwritten. To keep it beside that, run the cycle with `make run`, or "
                "o9/plan_snapshots with new_revision: true (docs/o9.md has the command).",
            )
    columns = ", ".join(PLAN_SNAPSHOTS.column_names[2:-1])
    lake.overwrite(
        PLAN_SNAPSHOTS,
        con.sql(
            f"SELECT '{name}' AS cycle, {revision + 1} AS revision, {columns}, "
            f"TIMESTAMP '{now.isoformat()}' AS kept_at FROM present ORDER BY {CELL}"
        ),
        all_of(equal("cycle", name), equal("revision", revision + 1)),
        based_on=base,
    )
    return SnapshotReport(rows, revision + 1, True, unknown)


def _present(
    con: duckdb.DuckDBPyConnection, settings: Settings, sources: Sequence[Dataset], cycle: date, lake: Lake
) -> None:
    """Make the table `present`: the latest version of every cell of the cycle, with its first day and lag."""
    near = timedelta(weeks=settings.forecast.horizon_weeks + 26)
    con.register("buckets", Calendar(settings.calendar).buckets_table(cycle - timedelta(weeks=26), cycle + near))
    parts = []
    for dataset in sources:
        feed = dataset.asset_key[-1]
        accepted_view(con, lake, dataset, feed, feed)
        parts.append(
            f"""
            SELECT '{dataset.name}' AS source, * FROM {feed} WHERE plan_cycle = '{cycle.isoformat()}'
            QUALIFY op <> 'D' AND row_number() OVER (
                PARTITION BY {", ".join(dataset.key)}
                ORDER BY changed_at DESC, change_seq DESC, known_at DESC, object_name DESC, line DESC
            ) = 1
            """
        )
    con.execute(
        f"""
        CREATE TEMP TABLE present AS
        SELECT {CELL}, b.bucket_start,
            CAST(date_diff('day', DATE '{cycle.isoformat()}', b.week_start) // 7 + 1 AS INTEGER) AS lag_weeks, quantity
        FROM ({" UNION ALL BY NAME ".join(parts)}) AS p LEFT JOIN buckets AS b USING (bucket_label)
        """
    ).fetchall()


def _differences(con: duckdb.DuckDBPyConnection, revision: int) -> str:
    """How what is present differs from the kept revision, told in a line; empty where it does not."""
    con.execute(
        f"""
        CREATE TEMP TABLE differing AS
        SELECT {CELL}, k.quantity AS kept, p.quantity AS present
        FROM (SELECT * FROM kept WHERE revision = {revision}) AS k FULL OUTER JOIN present AS p USING ({CELL})
        WHERE k.quantity IS DISTINCT FROM p.quantity
        """
    ).fetchall()
    [(count,)] = con.execute("SELECT count(*) FROM differing").fetchall()
    if not count:
        return ""
    rows = con.execute(
        f"SELECT concat_ws(' · ', measure_name, item_code, location_code, channel_code, bucket_label), kept, present "
        f"FROM differing ORDER BY {CELL} LIMIT {SHOWN}"
    ).fetchall()
    return f"{count:,} cells, such as " + "; ".join(f"{cell}: {kept} kept, {now} now" for cell, kept, now in rows)
