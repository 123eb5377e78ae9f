"""The twin's DMS reads a real database and writes files as DMS does."""

import io
import re
import sqlite3
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from botocore.exceptions import ClientError

from o9_assets.sandbox.aws import Twin
from o9_assets_tests.aws import eventually
from o9_assets_tests.postgres import Database
from o9_assets_tests.transfers import Dms

pytestmark = pytest.mark.aws

TABLE = "CREATE TABLE lines (id int PRIMARY KEY, item text, quantity numeric(18,2), day date, at timestamp)"
CDC = re.compile(r"erp/public/lines/\d{8}-\d{9}\.csv")


@pytest.fixture
def filled(database: Database) -> Database:
    database.run(
        TABLE,
        "ALTER TABLE lines REPLICA IDENTITY FULL",
        "INSERT INTO lines VALUES (1, 'a \"b\", c', 2.5, '2026-01-31', '2026-01-31 10:00:00.25')",
        "INSERT INTO lines VALUES (2, NULL, 3, NULL, NULL)",
    )
    return database


def test_a_full_load_is_written_without_header_and_operation(twin: Twin, filled: Database) -> None:
    dms = Dms(twin, filled.endpoint, kind="full-load")
    dms.start(stop_now=False)
    task = dms.ended()
    assert (task["Status"], task["StopReason"]) == ("stopped", "Stop Reason FULL_LOAD_ONLY_FINISHED")
    assert dms.names() == ["erp/public/lines/LOAD00000001.csv"]
    assert dms.body(dms.names()[0]) == (
        b'1,"a ""b"", c",2.50,2026-01-31,2026-01-31 10:00:00.250000\n2,NULL,3.00,NULL,NULL\n'
    )
    [figures] = dms.client.describe_table_statistics(ReplicationTaskArn=dms.arn)["TableStatistics"]
    assert (figures["TableState"], figures["FullLoadRows"]) == ("Table completed", 2)


def test_changes_follow_in_a_file_named_by_time_with_the_operation_first(twin: Twin, filled: Database) -> None:
    dms = Dms(twin, filled.endpoint)
    dms.start()
    dms.ended()
    filled.run(
        "INSERT INTO lines VALUES (3, 'c', 1, NULL, NULL)",
        "UPDATE lines SET quantity = 9 WHERE id = 1",
        "DELETE FROM lines WHERE id = 2",
    )
    twin_stop(dms)
    [name] = [key for key in dms.names() if "LOAD" not in key]
    assert CDC.fullmatch(name)
    assert [row[:3] + row[3:4] for row in dms.records(name)] == [
        ["I", "3", "c", "1.00"],
        ["U", "1", 'a "b", c', "9.00"],
        ["D", "2", "NULL", "3.00"],
    ]
    [figures] = dms.client.describe_table_statistics(ReplicationTaskArn=dms.arn)["TableStatistics"]
    assert [figures[n] for n in ("FullLoadRows", "Inserts", "Updates", "Deletes")] == [2, 1, 1, 1]


def twin_stop(dms: Dms) -> None:
    """Resume a task, and stop it when it has written the changes that there are."""
    dms.start("resume-processing", stop_now=False)
    eventually(lambda: dms.task()["Status"] == "running")
    dms.client.stop_replication_task(ReplicationTaskArn=dms.arn)
    assert dms.ended()["StopReason"] == "Stop Reason NORMAL"


def test_a_large_table_is_cut_into_files_with_a_hexadecimal_counter(twin: Twin, database: Database) -> None:
    database.run(
        "CREATE TABLE big (id int, text text)",
        f"INSERT INTO big SELECT n, '{'x' * 1024}' FROM generate_series(1, 12) n",
    )
    dms = Dms(twin, database.endpoint, kind="full-load", MaxFileSize=1)
    dms.start(stop_now=False)
    dms.ended()
    names = [key.rpartition("/")[2] for key in dms.names()]
    assert names[8:] == ["LOAD00000009.csv", "LOAD0000000A.csv", "LOAD0000000B.csv", "LOAD0000000C.csv"]


def test_a_parallel_load_names_its_segments(twin: Twin, filled: Database) -> None:
    ranges = {
        "rule-type": "table-settings",
        "rule-id": "2",
        "rule-name": "2",
        "object-locator": {"schema-name": "public", "table-name": "lines"},
        "parallel-load": {"type": "ranges", "columns": ["id"], "boundaries": [[1]]},
    }
    dms = Dms(twin, filled.endpoint, kind="full-load", rules=[ranges])
    dms.start(stop_now=False)
    dms.ended()
    assert dms.names() == [
        "erp/public/lines/SEGMENT1_LOAD00000001.csv",
        "erp/public/lines/SEGMENT2_LOAD00000001.csv",
    ]


@pytest.mark.parametrize(
    ("settings", "load", "change"),
    [
        ({"IncludeOpForFullLoad": True, "CsvDelimiter": ";"}, "I;1", "U;1"),
        ({"AddColumnName": True}, "id,item", "Op,id,item"),
        ({"AddColumnName": True, "TimestampColumnName": "ts"}, "ts,id,item", "Op,ts,id,item"),
        ({"CsvNullValue": ""}, "1,", "U,1,"),
        ({"CdcInsertsOnly": True}, "1,", None),
    ],
)
def test_settings_of_the_endpoint(
    twin: Twin, database: Database, settings: dict[str, Any], load: str, change: str | None
) -> None:
    database.run("CREATE TABLE lines (id int PRIMARY KEY, item text)", "INSERT INTO lines VALUES (1, NULL)")
    dms = Dms(twin, database.endpoint, **settings)
    dms.start()
    dms.ended()
    database.run("UPDATE lines SET item = item")
    twin_stop(dms)
    changes = [key for key in dms.names() if "LOAD" not in key]
    assert dms.body("erp/public/lines/LOAD00000001.csv").decode().startswith(load)
    assert [dms.body(key).decode().startswith(str(change)) for key in changes] == ([] if change is None else [True])


def test_parquet_partitioned_by_the_day_of_the_commit(twin: Twin, filled: Database) -> None:
    dms = Dms(
        twin,
        filled.endpoint,
        DataFormat="parquet",
        ParquetVersion="parquet-2-0",
        CompressionType="gzip",
        DatePartitionEnabled=True,
        DatePartitionSequence="YYYYMMDDHH",
        DatePartitionDelimiter="DASH",
    )
    dms.start()
    dms.ended()
    filled.run("DELETE FROM lines WHERE id = 2")
    twin_stop(dms)
    load, change = sorted(dms.names(), key=lambda key: "LOAD" not in key)
    assert load == "erp/public/lines/LOAD00000001.parquet"
    assert re.fullmatch(r"erp/public/lines/\d{4}-\d\d-\d\d-\d\d/\d{8}-\d{9}\.parquet", change)
    table = pq.read_table(io.BytesIO(dms.body(change)))
    assert table.schema.names == ["Op", "id", "item", "quantity", "day", "at"]
    assert table.schema.field("quantity").type == pa.decimal128(18, 2)
    assert table.to_pylist()[0]["Op"] == "D"


def test_transactions_keep_their_order_across_tables(twin: Twin, database: Database) -> None:
    database.run("CREATE TABLE a (id int PRIMARY KEY)", "CREATE TABLE b (id int PRIMARY KEY, name text)")
    dms = Dms(twin, database.endpoint, kind="cdc", PreserveTransactions=True, CdcPath="changes")
    dms.start()
    dms.ended()
    database.run(
        "BEGIN", "INSERT INTO b VALUES (1, 'x')", "INSERT INTO a VALUES (7)", "UPDATE b SET name = 'y'", "COMMIT"
    )
    twin_stop(dms)
    [name] = dms.names()
    assert re.fullmatch(r"erp/changes/CDC_TXN-\d{17}\.csv", name)
    assert dms.records(name) == [
        ["I", "b", "public", "1", "x"],
        ["I", "a", "public", "7"],
        ["U", "b", "public", "1", "y"],
    ]


def test_a_truncate_and_a_reload_delete_files(twin: Twin, filled: Database) -> None:
    dms = Dms(twin, filled.endpoint)
    dms.start()
    dms.ended()
    filled.run("TRUNCATE lines")
    twin_stop(dms)
    assert dms.names() == []
    filled.run("INSERT INTO lines VALUES (5, 'e', 1, NULL, NULL)")
    dms.start("reload-target")
    dms.ended()
    assert dms.names() == ["erp/public/lines/LOAD00000001.csv"]


def test_a_table_that_is_named_and_not_there_is_told(twin: Twin, filled: Database) -> None:
    absent = {
        "rule-type": "selection",
        "rule-id": "2",
        "rule-name": "2",
        "object-locator": {"schema-name": "public", "table-name": "gone"},
        "rule-action": "include",
    }
    dms = Dms(twin, filled.endpoint, kind="full-load", rules=[absent])
    dms.start(stop_now=False)
    assert dms.ended()["ReplicationTaskStats"]["TablesErrored"] == 1


def test_a_source_that_refuses_fails_the_task_in_its_own_words(twin: Twin, filled: Database) -> None:
    dms = Dms(twin, {**filled.endpoint, "Password": "wrong"}, kind="full-load")
    dms.start(stop_now=False)
    task = dms.ended()
    assert (task["Status"], task["StopReason"]) == ("failed", "Stop Reason FATAL_ERROR")
    assert "password authentication failed" in task["LastFailureMessage"]


def test_a_start_that_dms_would_refuse_is_refused(twin: Twin, filled: Database) -> None:
    dms = Dms(twin, filled.endpoint, kind="full-load")
    with pytest.raises(ClientError, match="not valid for tasks that never ran"):
        dms.start("resume-processing", stop_now=False)
    dms.start(stop_now=False)
    dms.ended()
    with pytest.raises(ClientError, match="not valid for tasks that ran before"):
        dms.start(stop_now=False)


def test_sqlite_stands_in_for_postgresql(twin: Twin, tmp_path: Path) -> None:
    path = tmp_path / "erp.db"
    with sqlite3.connect(path) as con:
        con.execute("CREATE TABLE lines (id INTEGER PRIMARY KEY, item TEXT, quantity DECIMAL(18, 2), day DATE)")
        con.execute("INSERT INTO lines VALUES (1, 'a', 2.5, '2026-01-31')")
    dms = Dms(twin, {"EngineName": "sqlite", "DatabaseName": str(path)})
    dms.start()
    dms.ended()
    with sqlite3.connect(path) as con:
        con.execute("UPDATE lines SET quantity = 4")
        con.execute("DELETE FROM lines")
    twin_stop(dms)
    change, load = dms.names()
    assert dms.records(load) == [["1", "a", "2.5", "2026-01-31"]]
    assert dms.records(change) == [["U", "1", "a", "4", "2026-01-31"], ["D", "1", "a", "4", "2026-01-31"]]
    con.close()
