"""DMS as a mover: started once, followed, whole or not at all; and what it wrote becomes order lines."""

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from o9_assets.assets.curated.order_lines import ORDER_LINES, make
from o9_assets.landing.accounts import account_of
from o9_assets.landing.datasets import TRANSFERS
from o9_assets.landing.ingest import IngestReport, ingest, new_objects
from o9_assets.landing.transferred import account_of_transfer
from o9_assets.landing.transfers import Outcome, carry_out
from o9_assets.planning.settings import bind
from o9_assets.resources import aws
from o9_assets.resources.landing_zone import S3Zone
from o9_assets.resources.transfers.mover import (
    PartialTransfer,
    State,
    TransferFailed,
    TransferUnderWay,
    UnknownTransfer,
)
from o9_assets.sandbox.aws import Twin
from o9_assets_tests.aws import eventually
from o9_assets_tests.company import SETTINGS, Company
from o9_assets_tests.postgres import Database
from o9_assets_tests.transfers import Dms, followed

pytestmark = pytest.mark.aws

TABLE = (
    "CREATE TABLE lines (order_id text, line int, item text, ship_to text, ordered date, qty numeric(18,4), "
    "price numeric(18,4), PRIMARY KEY (order_id, line))"
)
HEADER = "header: [order, line, item, ship_to, date, qty, price], "
FEED = SETTINGS.replace('path: "orders/{covers_date:%Y-%m-%d}*"', 'path: "erp/public/lines/**"').replace(
    'format: {type: csv, delimiter: ";"}',
    "dms: {table: public.lines}\n    format: {type: csv, " + HEADER + "nulls: ['NULL', '']}",
)


@pytest.fixture
def erp(database: Database) -> Database:
    database.run(
        TABLE,
        "ALTER TABLE lines REPLICA IDENTITY FULL",
        "INSERT INTO lines SELECT 'O' || n, 1, 'a' || n % 3, 'S1', DATE '2026-01-01' + n, n, 2.5 "
        "FROM generate_series(1, 20) n",
    )
    return database


def started(twin: Twin) -> int:
    """How often a task was really started."""
    return sum(call.status == 200 for call in twin.journal.calls("dms", "StartReplicationTask"))


@pytest.fixture
def locked(erp: Database) -> Iterator[Callable[[], None]]:
    """The table is locked, so that a load waits; calling it lets go."""
    erp.run("BEGIN", "LOCK TABLE lines IN ACCESS EXCLUSIVE MODE")
    yield lambda: erp.run("ROLLBACK")
    erp.run("ROLLBACK")


class Platform:
    """A company whose landing zone is where a DMS task writes."""

    def __init__(self, home: Path, dms: Dms, text: str = FEED) -> None:
        self.dms, self.company = dms, Company(home, text)
        self.zone = S3Zone(dms.bucket, "zone", aws.s3())
        self.feed = bind(self.company.settings, self.company.dataset("erp_orders"))

    def carry_out(self, *, patience_seconds: float = 30) -> Outcome:
        return carry_out(
            "erp",
            self.dms.mover(),
            "erp/",
            lake=self.company.lake,
            now=lambda: datetime.utcnow(),
            sleep=lambda seconds: time.sleep(min(seconds, 0.05)),
            clock=time.monotonic,
            patience_seconds=patience_seconds,
        )

    def ingest(self) -> IngestReport:
        company = self.company
        return ingest(
            "erp_orders",
            self.feed,
            company.dataset("erp_orders"),
            timezone="UTC",
            zone=self.zone,
            lake=company.lake,
            engine=company.engine,
            now=datetime(2026, 12, 1),
        )

    def order_lines(self) -> list[tuple[Any, ...]]:
        """The order lines that stand, after merging what is new."""
        make(self.company.settings, self.company.lake, self.company.engine, datetime(2026, 12, 1))
        rows = self.company.lake.read(ORDER_LINES).to_pylist()
        keys = ("order_id", "order_line", "item_code", "order_date", "quantity")
        return sorted(tuple(row[key] for key in keys) for row in rows)

    def balanced(self) -> bool:
        dataset = self.company.dataset("erp_orders")
        return account_of("erp_orders", dataset, lake=self.company.lake, engine=self.company.engine).balanced


TRANSACTIONS = FEED.replace("dms: {", 'also: ["erp/changes/CDC_TXN-*"]\n    dms: {')
PARQUET = (
    FEED.replace("type: csv, " + HEADER + "nulls: ['NULL', '']", "type: parquet")
    .replace("order_id: order\n      order_line: line", "order_id: order_id\n      order_line: line")
    .replace("order_date: date", "order_date: ordered")
)


@pytest.mark.parametrize(
    ("text", "settings"),
    [
        (FEED, {"CompressionType": "gzip"}),
        (TRANSACTIONS, {"PreserveTransactions": True, "CdcPath": "changes"}),
        (PARQUET, {"DataFormat": "parquet", "DatePartitionEnabled": True}),
    ],
    ids=["csv", "transactions", "parquet"],
)
def test_order_lines_equal_the_database_after_every_change(
    twin: Twin, erp: Database, tmp_path: Path, text: str, settings: dict[str, Any]
) -> None:
    platform = Platform(tmp_path, Dms(twin, erp.endpoint, **settings), text)
    steps: list[tuple[int, list[str]]] = [
        (20, []),
        (7, ["UPDATE lines SET qty = qty + 1 WHERE order_id < 'O15'", "DELETE FROM lines WHERE order_id = 'O3'"]),
        (1, ["INSERT INTO lines VALUES ('O3', 1, 'a \"quoted\", one', 'S1', '2026-02-01', 9, NULL)"]),
    ]
    for rows, statements in steps:
        erp.run(*statements)
        outcome = platform.carry_out()
        account = account_of_transfer(
            outcome.progress, outcome.names, platform.dms.mover().layout(), zone=platform.zone
        )
        assert account.breaks == ()
        assert account.rows == outcome.counters["rows"] == rows
        assert platform.ingest().objects == len(outcome.names)
        wanted = erp.rows("SELECT order_id, line::text, upper(item), ordered, qty FROM lines")
        assert platform.order_lines() == sorted(wanted)
    assert platform.balanced()
    assert started(twin) == 3


@pytest.mark.faults
def test_the_same_token_starts_once_even_if_the_answer_is_lost(twin: Twin, erp: Database) -> None:
    dms = Dms(twin, erp.endpoint)
    twin.faults.add("lose_answer", "dms", "StartReplicationTask", first=1)
    mover = dms.mover()
    execution = mover.start("0b7e")
    assert dms.mover().start("0b7e") == execution
    assert followed(mover, execution).counters["rows"] == 20
    assert dms.mover().start("0b7e") == execution  # long over, and still the same
    assert [name.rpartition("/")[2] for name in mover.landed(execution)] == ["LOAD00000001.csv"]


@pytest.mark.faults
def test_who_died_before_the_start_starts_and_who_died_after_it_does_not(twin: Twin, erp: Database) -> None:
    dms = Dms(twin, erp.endpoint)
    refused = twin.faults.add("error", "dms", "StartReplicationTask", code="ResourceQuotaExceededFault")
    with pytest.raises(Exception, match=r"does not start the task .*: ResourceQuotaExceededFault"):
        dms.mover().start("first")
    twin.faults.remove(refused)
    assert dms.task()["Status"] == "ready"
    dms.mover().start("first")
    assert followed(dms.mover(), "first").state is State.SUCCEEDED
    assert started(twin) == 1


def test_a_later_execution_takes_only_what_it_wrote_itself(twin: Twin, erp: Database) -> None:
    dms = Dms(twin, erp.endpoint)
    mover = dms.mover()
    followed(mover, mover.start("one"))
    erp.run("DELETE FROM lines WHERE order_id = 'O1'")
    followed(mover, mover.start("two"))
    [name] = mover.landed("two")
    assert "LOAD" not in name
    assert mover.look("two").counters["rows"] == 1
    with pytest.raises(UnknownTransfer, match="started for something else"):
        mover.look("one")


@pytest.mark.faults
def test_a_failure_carries_the_service_s_own_reason_and_counters(twin: Twin, erp: Database) -> None:
    dms = Dms(twin, {**erp.endpoint, "Password": "wrong"})
    mover = dms.mover()
    with pytest.raises(
        TransferFailed, match=r"ended as failed: .*password authentication failed.*\(tables loaded 0"
    ) as error:
        followed(mover, mover.start("x"))
    assert error.value.progress.counters["tables errored"] == 0
    with pytest.raises(PartialTransfer):
        mover.landed("x")


@pytest.mark.faults
def test_a_first_load_that_broke_off_is_begun_anew(twin: Twin, erp: Database, tmp_path: Path) -> None:
    dms = Dms(twin, erp.endpoint)
    platform = Platform(tmp_path, dms)
    erp.run("BEGIN", "LOCK TABLE lines IN ACCESS EXCLUSIVE MODE")
    others = "FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"

    def broken_off() -> None:
        # A transaction sees others as they were at its first look.
        eventually(lambda: erp.run("SELECT pg_stat_clear_snapshot()") or erp.rows(f"SELECT 1 {others}"))
        erp.rows(f"SELECT pg_terminate_backend(pid) {others}")
        erp.run("ROLLBACK")

    other = threading.Thread(target=broken_off)
    other.start()
    with pytest.raises(TransferFailed, match="terminating connection"):
        platform.carry_out()
    other.join()
    assert platform.carry_out().progress.counters["rows"] == 20
    erp.run("UPDATE lines SET qty = 99 WHERE order_id = 'O1'")
    assert platform.carry_out().progress.counters["rows"] == 1
    platform.ingest()
    assert len(platform.order_lines()) == 20


@pytest.mark.faults
def test_a_table_that_went_after_its_load_has_no_other_loaded_anew(twin: Twin, erp: Database, tmp_path: Path) -> None:
    erp.run("CREATE TABLE notes (id int PRIMARY KEY)", "INSERT INTO notes VALUES (1)")
    notes = {
        "rule-type": "selection",
        "rule-id": "2",
        "rule-name": "2",
        "object-locator": {"schema-name": "public", "table-name": "notes"},
        "rule-action": "include",
    }
    dms = Dms(twin, erp.endpoint, rules=[notes])
    platform = Platform(tmp_path, dms)
    platform.carry_out()
    platform.ingest()
    erp.run("DROP TABLE notes", "DELETE FROM lines WHERE order_id = 'O1'")
    begun = dms.task()["ReplicationTaskStats"]["FreshStartDate"]
    for _ in range(2):
        with pytest.raises(TransferFailed, match=r"public\.notes: Table does not exist"):
            platform.carry_out()
    assert dms.task()["ReplicationTaskStats"]["FreshStartDate"] == begun
    tables = dms.client.describe_table_statistics(ReplicationTaskArn=dms.arn)["TableStatistics"]
    assert sum(table["Deletes"] for table in tables) == 1


@pytest.mark.faults
def test_a_task_that_lost_a_table_is_no_whole(twin: Twin, erp: Database) -> None:
    absent = {
        "rule-type": "selection",
        "rule-id": "2",
        "rule-name": "2",
        "object-locator": {"schema-name": "public", "table-name": "gone"},
        "rule-action": "include",
    }
    mover = Dms(twin, erp.endpoint, kind="full-load", rules=[absent]).mover()
    with pytest.raises(TransferFailed, match=r"public\.gone: Table does not exist"):
        followed(mover, mover.start("x"))


@pytest.mark.faults
def test_a_stop_by_hand_in_the_middle_is_no_success(twin: Twin, erp: Database, locked: Callable[[], None]) -> None:
    dms = Dms(twin, erp.endpoint)
    mover = dms.mover()
    execution = mover.start("x")
    eventually(lambda: dms.task()["Status"] == "running")
    dms.client.stop_replication_task(ReplicationTaskArn=dms.arn)
    locked()
    with pytest.raises(TransferFailed, match="stopped"):
        followed(mover, execution)


@pytest.mark.faults
def test_patience_ends_and_the_next_run_follows_the_same_execution(
    twin: Twin, erp: Database, tmp_path: Path, locked: Callable[[], None]
) -> None:
    platform = Platform(tmp_path, Dms(twin, erp.endpoint))
    with pytest.raises(TransferUnderWay, match="still running after"):
        platform.carry_out(patience_seconds=0.3)
    locked()
    outcome = platform.carry_out()
    assert (outcome.resumed, outcome.number, started(twin)) == (True, 1, 1)


RUN = """
import sys, time
from datetime import datetime
from pathlib import Path
from o9_assets.landing.transfers import carry_out
from o9_assets.resources import aws
from o9_assets.resources.lake import Lake
from o9_assets.resources.transfers.dms import DmsMover
from o9_assets.resources.transfers.landed import ZoneBucket
lake, zone, task = sys.argv[1:]
mover = DmsMover(aws.client("dms"), ZoneBucket.of(aws.s3(), zone), task)
carry_out("erp", mover, "erp/", lake=Lake.local(Path(lake)), now=datetime.utcnow, sleep=lambda s: time.sleep(0.05),
          clock=time.monotonic, patience_seconds=60, progress=lambda line: print(line, flush=True))
"""


@pytest.mark.faults
def test_a_run_killed_while_it_follows_is_taken_up_without_a_second_start(
    twin: Twin, erp: Database, tmp_path: Path, locked: Callable[[], None]
) -> None:
    platform = Platform(tmp_path, Dms(twin, erp.endpoint))
    command = [sys.executable, "-c", RUN, str(tmp_path / "lake"), platform.dms.zone, platform.dms.name]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        eventually(lambda: "running" in run.stdout.readline(), seconds=60)  # type: ignore[union-attr]
        run.send_signal(signal.SIGKILL)
    assert [row["state"] for row in platform.company.lake.read(TRANSFERS).to_pylist()] == ["running"]
    locked()
    outcome = platform.carry_out()
    assert (outcome.resumed, outcome.number, started(twin)) == (True, 1, 1)
    assert platform.ingest().landed_rows == 20


@pytest.mark.faults
def test_what_a_transfer_wrote_waits_until_it_is_whole(twin: Twin, erp: Database, tmp_path: Path) -> None:
    platform = Platform(tmp_path, Dms(twin, erp.endpoint, kind="full-load"))
    twin.client("dms").modify_endpoint(
        EndpointArn=platform.dms.task()["SourceEndpointArn"],
        Password="wrong",
    )
    with pytest.raises(TransferFailed):
        platform.carry_out()
    key = "zone/erp/public/lines/LOAD00000001.csv"
    platform.dms.s3.put_object(Bucket=platform.dms.bucket, Key=key, Body=b"half a file")
    lake = platform.company.lake
    assert new_objects("erp_orders", platform.feed, zone=platform.zone, lake=lake) == []
    twin.client("dms").modify_endpoint(
        EndpointArn=platform.dms.task()["SourceEndpointArn"], Password=erp.endpoint["Password"]
    )
    assert platform.carry_out().number == 2
    assert platform.ingest().accepted_rows == 20


@pytest.mark.faults
def test_throttling_and_server_errors_are_lived_through(twin: Twin, erp: Database) -> None:
    twin.faults.add("throttle", "dms", every=3)
    twin.faults.add("error500", "dms", every=4)
    twin.faults.add("throttle", "s3", every=3)
    mover = Dms(twin, erp.endpoint).mover()
    assert followed(mover, mover.start("x")).counters["rows"] == 20
    assert len(mover.landed("x")) == 1


@pytest.mark.faults
def test_a_denial_names_the_action_and_the_task(twin: Twin, erp: Database) -> None:
    dms = Dms(twin, erp.endpoint)
    twin.faults.add("error", "dms", "StartReplicationTask", code="AccessDeniedException", message="not authorized")
    with pytest.raises(aws.Denied, match=rf"dms:StartReplicationTask on .*{dms.arn}"):
        dms.mover().start("x")


def test_a_continuous_task_is_started_once_and_seen_to_run(twin: Twin, erp: Database) -> None:
    dms = Dms(twin, erp.endpoint, CdcMaxBatchInterval=1)
    mover = dms.mover(mode="continuous")
    assert followed(mover, mover.start("one")).status == "running"
    erp.run("DELETE FROM lines WHERE order_id = 'O1'")
    eventually(lambda: len(dms.names()) == 2)
    assert followed(mover, mover.start("two")).state is State.SUCCEEDED
    assert len(mover.landed("two")) >= 1
    assert (started(twin), mover.layout()) == (1, None)
    dms.client.stop_replication_task(ReplicationTaskArn=dms.arn)
    dms.ended()


@pytest.mark.faults
def test_times_that_would_mislead_are_refused(twin: Twin, erp: Database) -> None:
    mover = Dms(twin, erp.endpoint, TimestampColumnName="ts").mover()
    with pytest.raises(Exception, match="UseTaskStartTimeForFullLoadTimestamp"):
        mover.start("x")


def test_the_ledger_keeps_what_the_service_told(twin: Twin, erp: Database, tmp_path: Path) -> None:
    platform = Platform(tmp_path, Dms(twin, erp.endpoint, kind="full-load"))
    platform.carry_out()
    [row] = platform.company.lake.read(TRANSFERS).to_pylist()
    assert (row["state"], row["kind"], row["objects"], row["status"]) == (
        "succeeded",
        "dms",
        1,
        "stopped (FULL_LOAD_ONLY_FINISHED)",
    )
    assert json.loads(row["counters"])["FullLoadRows"] == 20
