"""Keeping a table small and quick: compaction, expiry of snapshots that no tag holds, removal of files nobody needs.

pyiceberg expires snapshots but deletes no data file, and it does not compact: both are done here. A file goes only
when no snapshot that is left refers to it and it is older than the longest run, for a run that has begun may still be
about to commit it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from o9_assets.dataset import Dataset
from o9_assets.resources.lake import files, reading
from o9_assets.resources.lake.errors import CommitConflict
from o9_assets.resources.lake.files import local_path

if TYPE_CHECKING:
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import Table

    from o9_assets.resources.lake.room import Lake

__all__ = ["MaintenanceReport", "maintain"]

SMALL_BYTES = 32 << 20
TARGET_BYTES = 256 << 20
ENOUGH_SMALL_FILES = 4


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
    """Maintain one table. `now` is UTC; snapshots younger than `keep_for`, tagged and current ones stay."""
    if not lake.exists(dataset):
        return MaintenanceReport()
    compacted, written = _compact(lake, dataset)
    expired = _expire(lake, dataset, now - keep_for)
    removed, size = _remove_orphans(lake.ensure(dataset).refresh(), now - orphan_age)
    return MaintenanceReport(compacted, written, expired, removed, size)


def _compact(lake: Lake, dataset: Dataset) -> tuple[int, int]:
    """Write the small files of each partition as one. The rows, and so everything a reader sees, stay the same."""
    import duckdb

    table = lake.ensure(dataset).refresh()
    base = lake.snapshot_id(dataset)
    groups: dict[str, list[DataFile]] = {}
    for task in table.scan().plan_files():
        if task.file.file_size_in_bytes < SMALL_BYTES and not task.delete_files:
            groups.setdefault(str(task.file.partition), []).append(task.file)
    gone, new = [], []
    for group in groups.values():
        if len(group) < ENOUGH_SMALL_FILES:
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
    old = [s.snapshot_id for s in table.metadata.snapshots if s.snapshot_id not in held and s.timestamp_ms < limit]
    if not old:
        return 0
    from pyiceberg.exceptions import CommitFailedException

    try:
        table.maintenance.expire_snapshots().by_ids(old).commit()
    except CommitFailedException:
        return 0  # the next maintenance does it
    return len(old)


def _remove_orphans(table: Table, before: datetime) -> tuple[int, int]:
    needed = _needed(table)
    count = size = 0
    for location, length, changed in list(_listed(table)):
        if location not in needed and changed < before:
            table.io.delete(location)
            count += 1
            size += length
    return count, size


def _needed(table: Table) -> set[str]:
    """Locations that some snapshot that is left, or the table's metadata, refers to."""
    found = {table.metadata_location, *(entry.metadata_file for entry in table.metadata.metadata_log)}
    for snapshot in table.metadata.snapshots:
        found.add(snapshot.manifest_list)
        for manifest in snapshot.manifests(table.io):
            found.add(manifest.manifest_path)
            found.update(e.data_file.file_path for e in manifest.fetch_manifest_entry(table.io, discard_deleted=True))
    return {_plain(location) for location in found}


def _plain(location: str) -> str:
    path = local_path(location)
    return str(path) if path is not None else location


def _listed(table: Table) -> Iterator[tuple[str, int, datetime]]:
    """Every file below the table's location: location, bytes, time of change."""
    root = local_path(table.location())
    if root is not None:
        for path in root.rglob("*"):
            if path.is_file():
                stat = path.stat()
                yield str(path), stat.st_size, datetime.fromtimestamp(stat.st_mtime, UTC)
        return
    store: Any = table.io  # s3.S3FileIO
    yield from store.listed(table.location())
