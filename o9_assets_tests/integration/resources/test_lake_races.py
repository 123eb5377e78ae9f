"""Maintenance beside writers and readers: whoever comes between two steps of it loses nothing."""

import os
import time
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import duckdb
import pytest
from pyiceberg.table.update.snapshot import ExpireSnapshots

from o9_assets.dataset import Dataset
from o9_assets.resources.lake import CommitConflict, Lake, equal, everything, files, maintenance, orphans
from o9_assets_tests.integration.resources.test_lake import CELLS, FLAT, keys, rows


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake.local(tmp_path)


@pytest.mark.faults
def test_two_writers_that_forget_the_same_snapshots_both_succeed(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other, real, met = Lake.local(tmp_path), maintenance._forget, list[int]()

    def after_another(table: Any, snapshots: list[int]) -> int:
        met.append(real(other.ensure(FLAT), snapshots))
        return real(table, snapshots)

    monkeypatch.setattr(maintenance, "_forget", after_another)
    written = 0
    while not met:
        lake.append(FLAT, rows(written))
        written += 1
    assert met[0] > 0
    assert keys(lake, FLAT) == list(range(written))


@pytest.mark.faults
@pytest.mark.parametrize("look", range(5))
def test_compaction_brings_nothing_back_that_another_writer_replaced(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, look: int
) -> None:
    """Whenever the other one writes: before any of the looks that a maintenance takes at the table."""
    for key in range(6):
        lake.append(FLAT, rows(key))
    load, looks = lake._load, count()

    def after_another(dataset: Dataset) -> Any:
        if next(looks) == look:
            Lake.local(tmp_path).overwrite(FLAT, rows(100), everything())
        return load(dataset)

    monkeypatch.setattr(lake, "_load", after_another)
    now, day = datetime.now(UTC).replace(tzinfo=None), timedelta(days=1)
    lake.maintain(FLAT, now=now, keep_for=day, orphan_age=day)
    assert next(looks) > look
    assert keys(lake, FLAT) == [100]


@pytest.mark.faults
def test_a_tag_given_while_its_snapshot_is_being_expired_stays(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake.overwrite(FLAT, rows(1), everything())
    first = lake.snapshot_id(FLAT)
    assert first is not None
    lake.overwrite(FLAT, rows(2), everything())
    other, by_ids = Lake.local(tmp_path), ExpireSnapshots.by_ids

    def after_another(self: ExpireSnapshots, ids: list[int]) -> ExpireSnapshots:
        found = by_ids(self, ids)
        with other.ensure(FLAT).manage_snapshots() as manage:
            manage.create_tag(first, "cycle-1")
        return found

    monkeypatch.setattr(ExpireSnapshots, "by_ids", after_another)
    later = datetime.now(UTC).replace(tzinfo=None) + timedelta(seconds=1)
    assert lake.maintain(FLAT, now=later, keep_for=timedelta(0), orphan_age=timedelta(days=1)).snapshots_expired == 0
    assert keys(lake, FLAT, tag="cycle-1") == [1]


@pytest.mark.faults
def test_what_held_until_a_moment_ago_is_kept_however_old_it_is(lake: Lake, tmp_path: Path) -> None:
    """A table that stood still for long and was just written: its readers read on, and its past can be looked at."""
    lake.append(CELLS, rows(1))
    for path in tmp_path.rglob("*.parquet"):
        os.utime(path, (0, 0))
    time.sleep(0.05)
    then = datetime.now(UTC).replace(tzinfo=None)
    with duckdb.connect(":memory:") as con:
        lake.view(con, "being_read", CELLS)
        time.sleep(0.05)
        lake.overwrite(CELLS, rows(2), everything())
        # A day after `then`: the first rows are older than what is kept, and held until after it.
        day = timedelta(days=1)
        assert lake.maintain(CELLS, now=then + day, keep_for=day, orphan_age=timedelta(0)).snapshots_expired == 0
        assert con.sql("SELECT key FROM being_read").fetchall() == [(1,)]
    assert keys(lake, as_of=then) == [1]
    assert lake.maintain(CELLS, now=then + 2 * day, keep_for=day, orphan_age=timedelta(0)).snapshots_expired == 1


@pytest.mark.faults
def test_marks_alone_are_refused_where_another_write_came_between(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake.append(CELLS, rows(1))
    base, other, real, met = lake.snapshot_id(CELLS), Lake.local(tmp_path), maintenance.file_count, list[int]()

    def after_another(table: Any) -> int:
        if not met:
            met.append(1)
            other.append(CELLS, rows(2), marks={"seen": "2"})
        return real(table)

    monkeypatch.setattr(maintenance, "file_count", after_another)
    with pytest.raises(CommitConflict):
        lake.overwrite(CELLS, rows(), equal("key", 99), marks={"seen": "1"}, based_on=base)
    assert lake.marks(CELLS)["seen"] == "2"


@pytest.mark.faults
def test_two_that_clean_up_at_once_both_succeed(lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake.append(CELLS, rows(1))
    for number in range(3):
        (tmp_path / f"warehouse/curated/cells/data/{number}.parquet").write_bytes(b"left by a killed writer")
    other, real, none = Lake.local(tmp_path), orphans._listed, timedelta(0)
    now = datetime.now(UTC).replace(tzinfo=None) + timedelta(seconds=1)

    def after_another(table: Any) -> list[Any]:
        found = list(real(table))
        monkeypatch.setattr(orphans, "_listed", real)
        assert other.maintain(CELLS, now=now, keep_for=none, orphan_age=none).files_removed == 3
        return found

    monkeypatch.setattr(orphans, "_listed", after_another)
    lake.maintain(CELLS, now=now, keep_for=none, orphan_age=none)
    assert keys(lake) == [1]


@pytest.mark.faults
def test_what_another_maintenance_expires_and_removes_meanwhile_is_no_failure(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for turn in range(6):
        lake.overwrite(FLAT, rows(turn), everything())
    other, real, none = Lake.local(tmp_path), orphans._needed, timedelta(0)
    now = datetime.now(UTC).replace(tzinfo=None) + timedelta(seconds=1)

    def after_another(table: Any) -> set[str]:
        monkeypatch.setattr(orphans, "_needed", real)
        assert other.maintain(FLAT, now=now, keep_for=none, orphan_age=none).files_removed > 0
        return real(table)

    monkeypatch.setattr(orphans, "_needed", after_another)
    assert lake.maintain(FLAT, now=now, keep_for=timedelta(days=1), orphan_age=none).files_removed == 0
    assert keys(lake, FLAT) == [5]


@pytest.mark.faults
def test_a_reader_that_lives_through_many_commits_and_a_night_keeps_its_files(lake: Lake, tmp_path: Path) -> None:
    """More commits than snapshots are kept: nothing refers to its files, which are old, and it reads them."""
    lake.overwrite(FLAT, rows(1, 2), everything())
    for path in tmp_path.rglob("*.parquet"):
        os.utime(path, (0, 0))
    now, keep, night = datetime.now(UTC).replace(tzinfo=None), timedelta(days=7), timedelta(days=1)
    with duckdb.connect(":memory:") as con:
        lake.view(con, "being_read", FLAT)
        for turn in range(60):
            lake.overwrite(FLAT, rows(turn), everything())
        first = lake.maintain(FLAT, now=now, keep_for=keep, orphan_age=timedelta(hours=20))
        assert first.files_removed == 0
        assert con.sql("SELECT key FROM being_read").fetchall() == [(1,), (2,)]

    def removed(nights: int) -> int:
        at = now + nights * night - timedelta(minutes=5)
        return int(lake.maintain(FLAT, now=at, keep_for=keep, orphan_age=timedelta(hours=20)).files_removed)

    # The old file, then those that were young at the first look, then none.
    assert removed(1) == 1
    assert removed(2) > 30
    assert removed(3) == 0
    assert keys(lake, FLAT) == [59]
    folders = [path for path in (tmp_path / "warehouse/curated/flat/data").iterdir() if path.is_dir()]
    assert all(any(folder.iterdir()) for folder in folders)


@pytest.mark.faults
def test_a_file_that_was_committed_after_a_maintenance_saw_it_keeps_its_readers(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was seen before its commit, and replaced just before the next night's maintenance."""
    now, keep, age = datetime.now(UTC).replace(tzinfo=None), timedelta(0), timedelta(hours=20)
    write = files.write

    def seen_before_its_commit(*given: Any) -> Any:
        written = write(*given)
        monkeypatch.setattr(files, "write", write)
        lake.maintain(FLAT, now=now, keep_for=keep, orphan_age=age)
        return written

    monkeypatch.setattr(files, "write", seen_before_its_commit)
    lake.overwrite(FLAT, rows(1), everything())
    with duckdb.connect(":memory:") as con:
        lake.view(con, "being_read", FLAT)
        lake.overwrite(FLAT, rows(2), everything())
        lake.maintain(FLAT, now=now + timedelta(days=1), keep_for=keep, orphan_age=age)
        assert con.sql("SELECT key FROM being_read").fetchall() == [(1,)]
    assert lake.maintain(FLAT, now=now + timedelta(days=2), keep_for=keep, orphan_age=age).files_removed > 0


@pytest.mark.faults
def test_a_note_that_was_torn_is_begun_anew(lake: Lake, tmp_path: Path) -> None:
    lake.append(CELLS, rows(1))
    home = tmp_path / "warehouse/curated/cells"
    (home / "data/orphan.parquet").write_bytes(b"left by a killed writer")
    now, age = datetime.now(UTC).replace(tzinfo=None), timedelta(days=1)

    def removed(days: int) -> int:
        return int(lake.maintain(CELLS, now=now + timedelta(days=days), keep_for=age, orphan_age=age).files_removed)

    assert removed(1) == 0
    (home / "metadata/unneeded.json").write_bytes(b'{"half')
    assert (removed(2), removed(3)) == (0, 1)


@pytest.mark.faults
def test_a_moment_is_found_where_a_clock_went_back_between_two_writers(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = datetime.now(UTC) + timedelta(hours=1)
    for key, seconds in enumerate((0, 10, 8, 20)):
        monkeypatch.setattr("pyiceberg.table.snapshots.time.time", lambda at=seconds: start.timestamp() + at)
        lake.append(CELLS, rows(key))
    monkeypatch.undo()

    def held(seconds: float) -> list[int]:
        return keys(lake, as_of=(start + timedelta(seconds=seconds)).replace(tzinfo=None))

    assert [held(s) for s in (5, 9, 15, 25)] == [[0], [0, 1, 2], [0, 1, 2], [0, 1, 2, 3]]
