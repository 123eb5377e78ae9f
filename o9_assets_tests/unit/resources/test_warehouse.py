"""The warehouse file: slices are replaced as a whole, equal rows are left alone, and nothing wrong gets in."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from o9_assets.dataset import Column, Dataset
from o9_assets.resources.engine import Engine
from o9_assets.resources.warehouse import Loaded, Warehouse, WarehouseBusy, WarehouseContract

SALES = Dataset(
    "warehouse.sales",
    "One row per week and item.",
    (
        Column("week", "int32", "Week", True),
        Column("item", "string", "Item", True),
        Column("quantity", "decimal(18,4)", "Quantity"),
    ),
    key=("week", "item"),
)


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with Engine(memory_limit="200MB", threads=1).connect() as connection:
        yield connection


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return Warehouse(tmp_path / "company" / "warehouse.duckdb")


def rows(*values: tuple[int, str, str | None]) -> str:
    listed = ", ".join(f"({week}, '{item}', {quantity or 'NULL'})" for week, item, quantity in values)
    return f"SELECT * FROM (VALUES {listed}) t(week, item, quantity)"


def held(con: duckdb.DuckDBPyConnection, warehouse: Warehouse) -> list[tuple[object, ...]]:
    with warehouse.attached(con, read_only=True):
        return con.execute("SELECT week, item, quantity::VARCHAR FROM warehouse.sales ORDER BY ALL").fetchall()


def load(con: duckdb.DuckDBPyConnection, warehouse: Warehouse, source: str, **how: str) -> Loaded:
    with warehouse.attached(con):
        return warehouse.load(con, SALES, source, **how)


def test_a_load_replaces_its_slice_and_nothing_else(con: duckdb.DuckDBPyConnection, warehouse: Warehouse) -> None:
    load(con, warehouse, rows((1, "a", "1"), (2, "a", "2"), (2, "b", "3")))
    loaded = load(con, warehouse, rows((2, "b", "4.5")), where="week = 2")
    assert loaded == Loaded(row_count=1, rows_deleted=2, rows_inserted=1, groups_changed=1)
    assert held(con, warehouse) == [(1, "a", "1.0000"), (2, "b", "4.5000")]


def test_a_load_of_what_is_there_writes_nothing(con: duckdb.DuckDBPyConnection, warehouse: Warehouse) -> None:
    source = rows((1, "a", "1"), (2, "a", None))
    load(con, warehouse, source)
    assert load(con, warehouse, source) == Loaded(row_count=2, rows_deleted=0, rows_inserted=0, groups_changed=0)


def test_only_groups_that_differ_are_rewritten(con: duckdb.DuckDBPyConnection, warehouse: Warehouse) -> None:
    load(con, warehouse, rows((1, "a", "1"), (2, "a", "2"), (3, "a", "3")), by="week")
    # Week 2 keeps its sum and its count, but not its rows; week 3 is gone; week 4 is new.
    loaded = load(con, warehouse, rows((1, "a", "1"), (2, "b", "2"), (4, "a", "4")), by="week")
    assert loaded == Loaded(row_count=3, rows_deleted=2, rows_inserted=2, groups_changed=3)
    assert held(con, warehouse) == [(1, "a", "1.0000"), (2, "b", "2.0000"), (4, "a", "4.0000")]


def test_an_empty_source_empties_the_slice(con: duckdb.DuckDBPyConnection, warehouse: Warehouse) -> None:
    load(con, warehouse, rows((1, "a", "1"), (2, "a", "2")))
    load(con, warehouse, f"{rows((1, 'a', '1'))} WHERE false", where="week = 1")
    assert held(con, warehouse) == [(2, "a", "2.0000")]


@pytest.mark.parametrize(
    ("source", "where", "said"),
    [
        (rows((1, "a", "1"), (1, "a", "2")), "true", "'a') stands 2 times"),
        (rows((1, "a", "1"), (2, "a", "2")), "week = 1", "1 rows lie outside the slice"),
        ("SELECT 1 AS week, NULL AS item, 1 AS quantity", "true", "item is required and missing in 1 rows"),
    ],
)
def test_wrong_rows_are_refused_and_the_table_keeps_what_it_had(
    con: duckdb.DuckDBPyConnection, warehouse: Warehouse, source: str, where: str, said: str
) -> None:
    load(con, warehouse, rows((1, "z", "9")))
    with pytest.raises(WarehouseContract, match=said.replace("(", r"\(").replace(")", r"\)")):
        load(con, warehouse, source, where=where)
    assert held(con, warehouse) == [(1, "z", "9.0000")]


def test_a_new_column_is_added_and_a_changed_one_is_named(con: duckdb.DuckDBPyConnection, warehouse: Warehouse) -> None:
    load(con, warehouse, rows((1, "a", "1")))
    wider = Dataset(SALES.name, "", (*SALES.columns, Column("value", "double", "Value")), SALES.key)
    with warehouse.attached(con):
        warehouse.load(con, wider, "SELECT 2 AS week, 'a' AS item, 1 AS quantity, 0.5 AS value", where="week = 2")
        assert con.execute("SELECT week, value FROM warehouse.sales ORDER BY week").fetchall() == [(1, None), (2, 0.5)]
        narrower = Dataset(SALES.name, "", (Column("week", "int64", "Week", True), *SALES.columns[1:]), SALES.key)
        with pytest.raises(WarehouseContract, match="week is INTEGER in the file and BIGINT as declared"):
            warehouse.load(con, narrower, rows((1, "a", "1")))
        with pytest.raises(WarehouseContract, match="value is in the file only"):
            warehouse.load(con, SALES, rows((1, "a", "1")))


def test_a_file_that_is_no_warehouse_is_told_as_such(con: duckdb.DuckDBPyConnection, warehouse: Warehouse) -> None:
    warehouse.path.parent.mkdir()
    warehouse.path.write_text("week;item\n" * 1000)
    with pytest.raises(WarehouseContract, match="cannot be opened"), warehouse.attached(con):
        pass


HOLDER = """
import sys, time, duckdb
from pathlib import Path
from o9_assets.resources.warehouse import Warehouse
con = duckdb.connect()
with Warehouse(Path(sys.argv[1])).attached(con):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.mark.faults
def test_a_file_held_by_another_process_is_a_passing_error(
    con: duckdb.DuckDBPyConnection, warehouse: Warehouse
) -> None:
    load(con, warehouse, rows((1, "a", "1")))
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(warehouse.path)], stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(WarehouseBusy, match="held by another process"):
            load(con, warehouse, rows((1, "a", "2")))
        holder.kill()
    assert load(con, warehouse, rows((1, "a", "2"))).rows_inserted == 1


def test_a_file_held_within_the_process_is_a_passing_error(
    con: duckdb.DuckDBPyConnection, warehouse: Warehouse
) -> None:
    with Engine().connect() as other, warehouse.attached(other), pytest.raises(WarehouseBusy):
        load(con, warehouse, rows((1, "a", "1")))


LOADER = """
import sys, duckdb
from pathlib import Path
from o9_assets.resources.warehouse import Warehouse
from o9_assets.dataset import Column, Dataset
sales = Dataset("warehouse.sales", "", (Column("week", "int32", "", True), Column("item", "string", "", True),
    Column("quantity", "decimal(18,4)", "")), ("week", "item"))
con = duckdb.connect()
for turn in range(1, 10_000):
    with Warehouse(Path(sys.argv[1])).attached(con):
        Warehouse(Path(sys.argv[1])).load(con, sales, f"SELECT 1 AS week, i::VARCHAR AS item, {turn} AS quantity "
            "FROM range(20000) t(i)")
    if turn == 1:
        print("loading", flush=True)
"""


@pytest.mark.faults
def test_a_killed_load_leaves_the_old_or_the_new_rows(con: duckdb.DuckDBPyConnection, warehouse: Warehouse) -> None:
    for pause in (0.01, 0.04, 0.09, 0.15):
        with subprocess.Popen(
            [sys.executable, "-c", LOADER, str(warehouse.path)], stdout=subprocess.PIPE, text=True
        ) as loader:
            assert loader.stdout is not None
            assert loader.stdout.readline() == "loading\n"
            time.sleep(pause)
            loader.send_signal(signal.SIGKILL)
        with warehouse.attached(con):
            found = con.execute("SELECT count(*), count(DISTINCT quantity) FROM warehouse.sales").fetchone()
        assert found == (20_000, 1)
