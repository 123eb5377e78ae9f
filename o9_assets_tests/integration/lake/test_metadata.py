"""A table's metadata is read once for every name it has, and a transaction reckons its own once for every update."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from pyiceberg.serializers import FromInputFile

from o9_assets.dataset import Column, Dataset
from o9_assets.resources.lake import Lake
from o9_assets.resources.lake.metadata import OneTransaction

THINGS = Dataset("raw.things", "Things.", (Column("n", "int64", "Number", True),), key=("n",))


def things(*numbers: int) -> pa.Table:
    return pa.Table.from_pylist([{"n": n} for n in numbers], schema=THINGS.arrow_schema)


def test_what_another_process_commits_is_seen_at_once(tmp_path: Path) -> None:
    here, there = Lake.local(tmp_path), Lake.local(tmp_path)
    here.append(THINGS, things(1))
    assert there.row_count(THINGS) == 1
    here.append(THINGS, things(2))
    assert there.row_count(THINGS) == here.row_count(THINGS) == 2


def test_a_metadata_file_is_read_once_and_each_caller_has_a_table_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Lake.local(tmp_path).append(THINGS, things(1))
    read = []
    parsed = FromInputFile.table_metadata
    monkeypatch.setattr(FromInputFile, "table_metadata", lambda file: read.append(file.location) or parsed(file))
    lake = Lake.local(tmp_path)
    first, second = (lake.catalog.load_table(("raw", "things")) for _ in range(2))
    assert read == [first.metadata_location]
    assert first is not second
    Lake.local(tmp_path).append(THINGS, things(2))
    third = lake.catalog.load_table(("raw", "things"))
    assert third.metadata_location != first.metadata_location
    assert read[-1] == third.metadata_location
    assert first.metadata is second.metadata is not third.metadata


def test_a_transaction_shows_what_it_would_commit(tmp_path: Path) -> None:
    lake = Lake.local(tmp_path)
    lake.append(THINGS, things(1))
    table = lake.catalog.load_table(("raw", "things"))
    transaction = OneTransaction(table)
    assert transaction.table_metadata is table.metadata
    transaction.set_properties({"mark": "1"})
    shown = transaction.table_metadata
    assert shown.properties["mark"] == "1"
    assert transaction.table_metadata is shown
    transaction.set_properties({"mark": "2"})
    assert transaction.table_metadata.properties["mark"] == "2"
    assert "mark" not in table.metadata.properties
