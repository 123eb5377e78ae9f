"""Keeping a table small and quick: compaction, expiry of snapshots that no tag holds, removal of files nobody needs.

pyiceberg expires snapshots but deletes no data file, and it does not compact: both are done here. A file goes only
when no snapshot has referred to it for as long as the longest run takes: one that has begun may still be about to
commit it, or be reading it.

A commit does a little of it at once, so that the next one costs what it costs however many went before: readers open
few files, and metadata stays small.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

from o9_assets.dataset import Dataset
from o9_assets.resources.lake import files, reading
from o9_assets.resources.lake.errors import CommitConflict
from o9_assets.resources.lake.orphans import remove_orphans

if TYPE_CHECKING:
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import Table

    from o9_assets.resources.lake.room import Lake

__all__ = ["MaintenanceReport", "after_commit", "file_count", "maintain"]

SMALL_BYTES = 32 << 20
TARGET_BYTES = 256 << 20
ENOUGH_SMALL_FILES = 4
# Every so many files more, a commit writes the tiny ones as one: what is read at each run (the manifest, a row a
# file) would else be as many files as there were runs.
FILES_BETWEEN = 16
TINY_BYTES = 1 << 20
ENOUGH_TINY_FILES = 8
# Of more than twice as many untagged snapshots a commit expires the oldest: else a commit grows eightfold in 300.
KEPT_SNAPSHOTS = 25


@dataclass(frozen=True, slots=True)
class MaintenanceReport:
    """What was done to a table."""

    files_compacted: int = 0
    files_written: int = 0
    snapshots_expired: int = 0
    files_removed: int = 0
    bytes_removed: int = 0


def maintain(
    lake: Lake, dataset: Dataset, *, now: datetime, keep_for: timedelta, orphan_age: timedelta
) -> MaintenanceReport:
    """Maintain one table. `now` is UTC; what held within `keep_for`, tagged and current snapshots stay."""
    if not lake.exists(dataset):
        return MaintenanceReport()
    compacted, written = _compact(lake, dataset)
    expired = _expire(lake, dataset, now - keep_for)
    removed, size = remove_orphans(lake.ensure(dataset).refresh(), now, orphan_age)
    return MaintenanceReport(compacted, written, expired, removed, size)


def file_count(table: Table) -> int:
    """Data files of the current snapshot, from metadata alone."""
    current = table.current_snapshot()
    if current is None or current.summary is None:
        return 0
    return int(current.summary.additional_properties.get("total-data-files", 0))


def after_commit(lake: Lake, dataset: Dataset, table: Table, files_before: int) -> None:
    """The part of maintenance that a commit does. Where another writer is first, a later commit does it."""
    if file_count(table) // FILES_BETWEEN > files_before // FILES_BETWEEN:
        _compact(lake, dataset, small=TINY_BYTES, enough=ENOUGH_TINY_FILES)
        table.refresh()
    if len(table.metadata.snapshots) > KEPT_SNAPSHOTS * 2:
        held = {ref.snapshot_id for ref in table.refs().values()}
        old = sorted((s for s in table.metadata.snapshots if s.snapshot_id not in held), key=lambda s: s.timestamp_ms)
        _forget(table, [s.snapshot_id for s in old[:-KEPT_SNAPSHOTS]])


def _compact(
    lake: Lake, dataset: Dataset, *, small: int = SMALL_BYTES, enough: int = ENOUGH_SMALL_FILES
) -> tuple[int, int]:
    """Write the small files of each partition as one. The rows, and so everything a reader sees, stay the same."""
    import duckdb

    table = lake.ensure(dataset).refresh()
    base = lake.snapshot_id(dataset)
    groups: dict[str, list[DataFile]] = {}
    for task in table.scan().plan_files():
        if task.file.file_size_in_bytes < small and not task.delete_files:
            groups.setdefault(str(task.file.partition), []).append(task.file)
    gone, new = [], []
    for group in groups.values():
        if len(group) < enough:
            continue
        total = 0
        chosen = []
        for file in group:
            if total + file.file_size_in_bytes <= TARGET_BYTES:
                chosen.append(file)
                total += file.file_size_in_bytes
        with duckdb.connect(":memory:") as con:
            reading.files_view(con, "small", table, dataset, chosen)
            new += files.write(table, dataset, con.sql("SELECT * FROM small"))
        gone += chosen
    if not gone:
        return 0, 0
    try:
        lake.replace_files(dataset, gone, new, based_on=base)
    except CommitConflict:
        return 0, 0  # somebody wrote meanwhile: what was written here is an orphan, and the next time does it
    return len(gone), len(new)


def _expire(lake: Lake, dataset: Dataset, before: datetime) -> int:
    table = lake.ensure(dataset).refresh()
    held = {ref.snapshot_id for ref in table.refs().values()}
    limit = int(before.timestamp() * 1000)
    # A snapshot held until the next one was made: one of old may have been read a moment ago.
    kept = sorted(table.metadata.snapshots, key=lambda s: s.sequence_number or 0)
    old = [s.snapshot_id for s, following in pairwise(kept) if following.timestamp_ms < limit]
    return _forget(table, [snapshot for snapshot in old if snapshot not in held])


def _forget(table: Table, snapshots: list[int]) -> int:
    """Expire snapshots; returns how many. Where another writer was first, the next maintenance does it."""
    from o9_assets.resources.lake.producer import Unheld
    from o9_assets.resources.lake.races import lost_race

    if not snapshots:
        return 0
    try:
        expiry = table.maintenance.expire_snapshots().by_ids(snapshots)
        expiry._requirements = (Unheld(snapshot_ids=snapshots),)  # type: ignore[assignment]
        expiry.commit()
    except Exception as error:
        if not lost_race(error):
            raise
        return 0
    return len(snapshots)
