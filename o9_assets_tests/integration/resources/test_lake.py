"""The lake: a slice is replaced in one commit, many writers at once are safe, and the past stays readable."""

import random
import signal
import subprocess
import sys
import time
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from o9_assets.dataset import Column, Dataset
from o9_assets.resources.lake import (
    CommitConflict,
    ContractBroken,
    Lake,
    SnapshotGone,
    all_of,
    at_least,
    at_most,
    equal,
    everything,
    isin,
)

COLUMNS = (
    Column("month", "date", "The partition", True),
    Column("key", "int64", "The key", True),
    Column("quantity", "decimal(18,4)", "A quantity"),
    Column("label", "string", "A text"),
)
CELLS = Dataset("curated.cells", "One row per key.", COLUMNS, ("key",), ("month",))
FLAT = Dataset("curated.flat", "One row per key.", COLUMNS, ("key",))
JANUARY, FEBRUARY = date(2025, 1, 1), date(2025, 2, 1)


def rows(*keys: int, month: date = JANUARY, quantity: str = "1", label: str | None = None) -> pa.Table:
    return pa.Table.from_pylist(
        [{"month": month, "key": key, "quantity": Decimal(quantity), "label": label} for key in keys],
        schema=CELLS.arrow_schema,
    )


def keys(lake: Lake, dataset: Dataset = CELLS, **how: object) -> list[int]:
    return sorted(lake.read(dataset, **how)["key"].to_pylist())  # type: ignore[arg-type]


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake.local(tmp_path)


def test_a_dataset_that_was_never_written_reads_as_typed_and_empty(lake: Lake) -> None:
    table = lake.read(CELLS)
    assert (table.num_rows, table.schema.field("quantity").type) == (0, pa.decimal128(18, 4))
    assert (lake.row_count(CELLS), lake.snapshot_id(CELLS), lake.marks(CELLS), lake.tags(CELLS)) == (0, None, {}, {})


def test_rows_come_back_as_they_went_in(lake: Lake) -> None:
    given = rows(1, quantity="-12345678901234.5678", label="a'b")
    lake.append(CELLS, given)
    assert lake.read(CELLS).to_pylist() == given.to_pylist()


@pytest.mark.parametrize("form", ["table", "reader", "relation"])
def test_rows_can_be_a_table_a_reader_or_a_relation(lake: Lake, form: str) -> None:
    with duckdb.connect() as con:
        given = rows(1, 2)
        source = {"table": given, "reader": given.to_reader(), "relation": con.from_arrow(given)}[form]
        assert lake.overwrite(CELLS, source, everything()).rows_added == 2
    assert keys(lake) == [1, 2]


@pytest.mark.parametrize("dataset", [CELLS, FLAT])
def test_an_overwrite_replaces_its_slice_and_nothing_else(lake: Lake, dataset: Dataset) -> None:
    lake.append(dataset, pa.concat_tables([rows(1, 2, 3), rows(4, month=FEBRUARY)]))
    done = lake.overwrite(dataset, rows(2, 5, quantity="9"), isin("key", [2, 3]))
    assert (done.rows_added, done.rows_removed) == (2, 2)
    assert keys(lake, dataset) == [1, 2, 4, 5]
    lake.overwrite(dataset, rows(6, month=FEBRUARY), equal("month", FEBRUARY))
    assert keys(lake, dataset) == [1, 2, 5, 6]
    assert lake.row_count(dataset) == 4


def test_an_overwrite_of_whole_partitions_rewrites_no_other_file(lake: Lake) -> None:
    lake.append(CELLS, pa.concat_tables([rows(1), rows(2, month=FEBRUARY)]))
    lake.overwrite(CELLS, rows(3), equal("month", JANUARY))
    table = lake.ensure(CELLS)
    summary = table.current_snapshot().summary  # type: ignore[union-attr]
    assert summary is not None
    assert (summary["added-data-files"], summary["deleted-data-files"]) == ("1", "1")


def test_a_slice_that_is_replaced_again_and_again_leaves_no_empty_file(lake: Lake) -> None:
    """Bounds of texts are cut at 16 letters, so the file that holds nothing but the slice is read to know that."""
    name = "a label that is longer than bounds are"
    for turn in range(3):
        lake.overwrite(FLAT, rows(turn, label=name), equal("label", name))
    current = lake.ensure(FLAT).refresh().current_snapshot()
    assert current is not None and current.summary is not None
    assert current.summary["total-data-files"] == "1"
    assert lake.read(FLAT)["key"].to_pylist() == [2]


def test_a_null_outside_the_slice_survives_an_overwrite(lake: Lake) -> None:
    lake.append(FLAT, pa.concat_tables([rows(1, label="x"), rows(2)]))
    lake.overwrite(FLAT, rows(3), equal("label", "x"))
    assert keys(lake, FLAT) == [2, 3]


def test_filters_are_applied_within_files(lake: Lake) -> None:
    lake.append(FLAT, rows(1, 2, 3, 4))
    assert keys(lake, FLAT, where=all_of(at_least("key", 2), at_most("key", 3))) == [2, 3]
    assert keys(lake, FLAT, where=isin("key", [])) == []


def test_marks_are_committed_with_the_data_and_can_be_taken_away(lake: Lake) -> None:
    lake.append(CELLS, rows(1), marks={"seq": "7", "note": "x"})
    lake.append(CELLS, rows(2), marks={"note": None})
    found = lake.marks(CELLS)
    assert found["seq"] == "7"
    assert "note" not in found


def test_a_write_that_is_based_on_an_old_snapshot_is_refused(lake: Lake) -> None:
    lake.append(CELLS, rows(1))
    base = lake.snapshot_id(CELLS)
    lake.append(CELLS, rows(2))
    with pytest.raises(CommitConflict, match="written by another run"):
        lake.overwrite(CELLS, rows(3), everything(), based_on=base)
    assert keys(lake) == [1, 2]


# The contract


def test_a_new_optional_column_is_added_and_old_rows_have_none_of_it(lake: Lake) -> None:
    lake.append(CELLS, rows(1))
    wider = Dataset(CELLS.name, "", (*COLUMNS, Column("price", "double", "A price")), partition_by=("month",))
    # A reader of today's declaration meets a table that nobody has written since.
    assert lake.read(wider).select(["key", "price"]).to_pylist() == [{"key": 1, "price": None}]
    assert lake.read(wider, where=all_of(equal("key", 1), equal("price", 2.5))).num_rows == 0
    lake.append(wider, rows(2).append_column("price", pa.array([2.5])))
    assert sorted(lake.read(wider).select(["key", "price"]).to_pylist(), key=str) == [
        {"key": 1, "price": None},
        {"key": 2, "price": 2.5},
    ]


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        (COLUMNS[:3], "column label is in the lake and no longer declared"),
        ((*COLUMNS[:3], Column("text", "string", "")), "column label is in the lake and no longer declared"),
        (
            (*COLUMNS[:2], Column("quantity", "decimal(9,4)", ""), COLUMNS[3]),
            r"quantity is decimal\(18, 4\) in the lake",
        ),
        ((*COLUMNS, Column("more", "string", "", True)), "column more is new and required"),
    ],
    ids=["dropped", "renamed", "narrowed", "required"],
)
def test_any_other_change_of_columns_is_refused_by_name(lake: Lake, columns: tuple[Column, ...], said: str) -> None:
    lake.append(CELLS, rows(1))
    other = Lake(lake._connect, location=lake._location)
    with pytest.raises(ContractBroken, match=said):
        other.append(Dataset(CELLS.name, "", columns, partition_by=("month",)), rows(2))


def test_a_required_column_that_rows_lack_is_not_made_up_for_a_reader(lake: Lake) -> None:
    lake.append(CELLS, rows(1))
    stricter = Dataset(CELLS.name, "", (*COLUMNS, Column("more", "string", "", True)), partition_by=("month",))
    with pytest.raises(ContractBroken, match="read for the required column more, which its table lacks"):
        lake.read(stricter)


def test_rows_with_a_null_in_a_required_column_are_refused(lake: Lake) -> None:
    broken = rows(1).set_column(1, "key", pa.array([None], pa.int64()))
    with pytest.raises(ContractBroken, match="nulls in the required column key"):
        lake.append(CELLS, broken)
    assert lake.row_count(CELLS) == 0


def test_rows_without_a_declared_column_are_refused(lake: Lake) -> None:
    with pytest.raises(ContractBroken, match="lack the column label"):
        lake.append(CELLS, rows(1).drop_columns(["label"]))


# The past


def test_a_moment_of_the_past_can_be_read(lake: Lake) -> None:
    lake.append(CELLS, rows(1))
    time.sleep(0.01)
    moment = datetime.now(UTC).replace(tzinfo=None)
    time.sleep(0.01)
    lake.append(CELLS, rows(2))
    assert keys(lake, as_of=moment) == [1]
    assert keys(lake, as_of=moment - timedelta(days=1)) == []


def test_a_tag_survives_expiry_and_an_expired_moment_is_told_as_gone(lake: Lake) -> None:
    lake.append(CELLS, rows(1))
    lake.tag(CELLS, "cycle-1")
    lake.append(CELLS, rows(2))
    time.sleep(0.01)
    moment = datetime.now(UTC).replace(tzinfo=None)
    time.sleep(0.01)
    lake.append(CELLS, rows(3))
    now = datetime.now(UTC).replace(tzinfo=None) + timedelta(seconds=1)
    report = lake.maintain(CELLS, now=now, keep_for=timedelta(0), orphan_age=timedelta(0))
    assert report.snapshots_expired == 1
    assert keys(lake, tag="cycle-1") == [1]
    assert keys(lake) == [1, 2, 3]
    with pytest.raises(SnapshotGone, match="was expired"):
        lake.read(CELLS, as_of=moment)
    with pytest.raises(SnapshotGone, match=r"no tag 'cycle-2'. There are: cycle-1"):
        lake.read(CELLS, tag="cycle-2")


def test_maintenance_makes_small_files_one_and_removes_what_nobody_needs(lake: Lake, tmp_path: Path) -> None:
    for key in range(12):
        lake.overwrite(CELLS, rows(key), equal("key", key), marks={"seq": str(key)})
    before = lake.read(CELLS).sort_by("key")
    orphan = tmp_path / "warehouse/curated/cells/data/orphan.parquet"
    orphan.write_bytes(b"left by a killed writer")
    now = datetime.now(UTC).replace(tzinfo=None) + timedelta(seconds=1)
    young = lake.maintain(CELLS, now=now, keep_for=timedelta(days=1), orphan_age=timedelta(days=1))
    assert (young.files_compacted, young.files_written, young.files_removed) == (12, 1, 0)
    report = lake.maintain(CELLS, now=now, keep_for=timedelta(0), orphan_age=timedelta(0))
    assert report.files_removed >= 13
    assert not orphan.exists()
    assert len(list((tmp_path / "warehouse/curated/cells/data").rglob("*.parquet"))) == 1
    assert lake.read(CELLS).sort_by("key") == before
    assert lake.marks(CELLS)["seq"] == "11"


def test_a_commit_stays_quick_and_its_metadata_small_over_many_commits(lake: Lake) -> None:
    for key in range(90):
        lake.overwrite(FLAT, rows(key), equal("key", key))
    table = lake.ensure(FLAT).refresh()
    assert lake.row_count(FLAT) == 90
    assert len(table.metadata.snapshots) <= 51
    assert len(table.current_snapshot().manifests(table.io)) <= 13  # type: ignore[union-attr]
    assert len(list(table.scan().plan_files())) <= 32
    assert sorted(lake.read(FLAT)["key"].to_pylist()) == list(range(90))


# Many at once

WRITER = """
import sys
from pathlib import Path
from datetime import date
from o9_assets.resources.lake import Lake, isin
from o9_assets_tests.integration.resources.test_lake import CELLS, rows
lake, who, same = Lake.local(Path(sys.argv[1])), int(sys.argv[2]), sys.argv[3] == "same"
for turn in range(4):
    mine = [7] if same else [who * 10 + turn]
    lake.overwrite(CELLS, rows(*mine, label=str(who)), isin("key", mine))
"""


def writers(home: Path, count: int, same: str) -> list[int]:
    running = [subprocess.Popen([sys.executable, "-c", WRITER, str(home), str(n), same]) for n in range(count)]
    return [process.wait(120) for process in running]


@pytest.mark.faults
def test_many_processes_that_write_different_slices_all_succeed(lake: Lake, tmp_path: Path) -> None:
    assert writers(tmp_path, 5, "different") == [0] * 5
    assert keys(lake) == sorted(who * 10 + turn for who in range(5) for turn in range(4))


@pytest.mark.faults
def test_processes_that_write_the_same_slice_leave_one_winner(lake: Lake, tmp_path: Path) -> None:
    assert writers(tmp_path, 4, "same") == [0] * 4
    assert keys(lake) == [7]


KILLED = """
import os, random, signal, sys, threading
from pathlib import Path
from o9_assets.resources.lake import Lake, everything
from o9_assets_tests.integration.resources.test_lake import CELLS, rows
lake, generation = Lake.local(Path(sys.argv[1])), int(sys.argv[2])
lake.read(CELLS)
threading.Timer(float(sys.argv[3]), lambda: os.kill(os.getpid(), signal.SIGKILL)).start()
lake.overwrite(CELLS, rows(*range(20000), label=str(generation)), everything(), marks={"generation": str(generation)})
os._exit(0)
"""


@pytest.mark.faults
def test_a_kill_leaves_the_old_or_the_new_state(lake: Lake, tmp_path: Path) -> None:
    lake.overwrite(CELLS, rows(*range(20000), label="0"), everything(), marks={"generation": "0"})
    dice, ends, seen = random.Random(5), [], {"0"}
    for generation in range(1, 13):
        pause = str(dice.uniform(0, 0.25))
        done = subprocess.run(
            [sys.executable, "-c", KILLED, str(tmp_path), str(generation), pause], check=False, timeout=60
        )
        ends.append(done.returncode)
        found = lake.read(CELLS)
        labels = set(found["label"].to_pylist())
        assert found.num_rows == 20000
        assert labels == {lake.marks(CELLS)["generation"]}
        seen |= labels
    assert -signal.SIGKILL in ends
    assert len(seen) > 1


def test_a_folder_of_any_name_holds_all_of_the_lake(tmp_path: Path) -> None:
    home = tmp_path / "José's lake, 100% of #1 %41?"
    lake = Lake.local(home)
    for key in range(12):
        lake.overwrite(CELLS, rows(key), equal("key", key))
    now = datetime.now(UTC).replace(tzinfo=None) + timedelta(seconds=1)
    assert lake.maintain(CELLS, now=now, keep_for=timedelta(0), orphan_age=timedelta(0)).files_removed >= 12
    assert keys(Lake.local(home)) == list(range(12))
    assert [path.name for path in tmp_path.iterdir()] == [home.name]
    assert {path.name for path in (home / "warehouse/curated/cells").iterdir()} == {"data", "metadata"}


def test_pyiceberg_alone_reads_what_lies_in_a_partition_s_folder(lake: Lake, tmp_path: Path) -> None:
    from pyiceberg.table import StaticTable

    lake.append(CELLS, rows(1, 2))
    table = StaticTable.from_metadata(lake.catalog.load_table(CELLS.name).metadata_location)
    assert sorted(table.scan().to_arrow()["key"].to_pylist()) == [1, 2]
