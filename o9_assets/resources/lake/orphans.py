"""Removal of files that no snapshot of a table refers to any more.

When a file was last changed says nothing about when it was last needed: one that held for months may have been replaced
a moment ago, and be read still. So a maintenance notes which files nobody needs, beside the table's metadata, and a
later one removes those that were noted long enough ago. A young one is not noted: it may be about to be committed, and
would then be needed between the two looks.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from stat import S_ISREG
from typing import TYPE_CHECKING, Any

from o9_assets.resources.lake.files import local_path

if TYPE_CHECKING:
    from pyiceberg.table import Table

__all__ = ["remove_orphans"]


def remove_orphans(table: Table, now: datetime, age: timedelta) -> tuple[int, int]:
    """Remove what was first seen without an owner at least `age` before `now` (UTC with a zone), when it was as old
    already; how many files, and their bytes. A run or a reader may have to do with a file for so long."""
    try:
        needed = _needed(table)
    except FileNotFoundError:
        return 0, 0  # another maintenance expired, and removed, what this one has just read of
    note = f"{table.location()}/metadata/unneeded.json"
    needed.add(_plain(note))
    noted = _noted(table, note)
    waiting: dict[str, str] = {}
    count = size = 0
    for location, length, written in list(_listed(table)):
        if location in needed or (location not in noted and now - written < age):
            continue
        since = min(noted.get(location, now), now)
        if now - since < age:
            waiting[location] = since.isoformat()
            continue
        with suppress(FileNotFoundError):  # another maintenance was quicker
            table.io.delete(location)
            count += 1
            size += length
            _without_empty_folders(location, table)
    if waiting or noted:
        _write(table, note, waiting)
    return count, size


def _without_empty_folders(location: str, table: Table) -> None:
    """Remove the folders that a removed file leaves empty: each write has one of its own, and they would be looked into
    for ever."""
    root = local_path(table.location())
    if root is None:
        return
    for folder in Path(location).parents:
        if folder in (root / "data", root / "metadata", root):
            return
        try:
            folder.rmdir()
        except OSError:
            return


def _noted(table: Table, note: str) -> dict[str, datetime]:
    """Files without an owner, and when a maintenance first saw that; none where the note is absent or torn."""
    try:
        with table.io.new_input(note).open() as source:
            told = json.loads(source.read())
        return {location: datetime.fromisoformat(since) for location, since in told.items()}
    except (FileNotFoundError, ValueError, AttributeError, TypeError):
        return {}  # their time begins anew


def _write(table: Table, note: str, waiting: Mapping[str, str]) -> None:
    with table.io.new_output(note).create(overwrite=True) as target:
        target.write(json.dumps(waiting, indent=0, sort_keys=True).encode())


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
    """Every file below the table's location: location, bytes, and when it was written."""
    root = local_path(table.location())
    if root is not None:
        for path in root.rglob("*"):
            with suppress(FileNotFoundError):
                stat = path.stat()
                if S_ISREG(stat.st_mode):
                    yield str(path), stat.st_size, datetime.fromtimestamp(stat.st_mtime, UTC)
        return
    store: Any = table.io  # s3.S3FileIO
    yield from store.listed(table.location())
