"""DataSync as a mover: a real folder to S3; what it is at the middle of is never taken for whole."""

import os
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from o9_assets.landing.ingest import new_objects
from o9_assets.landing.transferred import account_of_transfer
from o9_assets.landing.transfers import carry_out
from o9_assets.planning.settings import bind
from o9_assets.resources.transfers.mover import (
    PartialTransfer,
    State,
    TransferCancelled,
    TransferFailed,
    TransferUnderWay,
)
from o9_assets.sandbox.aws import Twin
from o9_assets_tests.aws import eventually
from o9_assets_tests.company import ORDERS, SETTINGS, Company
from o9_assets_tests.transfers import Share, followed

pytestmark = pytest.mark.aws


@pytest.mark.parametrize("report", [True, False], ids=["by report", "by listing"])
def test_a_folder_is_copied_and_what_it_landed_is_known(twin: Twin, tmp_path: Path, report: bool) -> None:
    share = Share(twin, tmp_path, report=report, mode="ENHANCED")
    share.put("stock/2026-01-31.csv", b"a;1\n")
    share.put("b.bin", b"\0" * 5000)
    execution, progress = share.run()
    assert (progress.state, progress.status) == (State.SUCCEEDED, "SUCCESS")
    assert {k: progress.counters[k] for k in ("files", "bytes", "FilesVerified", "FilesSkipped")} == {
        "files": 2,
        "bytes": 5004,
        "FilesVerified": 2,
        "FilesSkipped": 0,
    }
    names = share.mover().landed(execution)
    assert names == ("wms/b.bin", "wms/stock/2026-01-31.csv")
    assert account_of_transfer(progress, names, None, zone=share.zone).breaks == ()
    time.sleep(1.1)  # S3 tells whole seconds
    share.put("stock/2026-02-01.csv", b"a;2\n")
    execution, progress = share.run("y")
    assert share.mover().landed(execution) == ("wms/stock/2026-02-01.csv",)
    assert progress.counters["FilesSkipped"] == 2


def test_options_of_the_task(twin: Twin, tmp_path: Path) -> None:
    share = Share(twin, tmp_path, OverwriteMode="NEVER", PreserveDeletedFiles="REMOVE", VerifyMode="NONE")
    share.put("a", b"old")
    share.put("b", b"gone")
    share.run()
    share.put("a", b"newer")
    (share.folder / "b").unlink()
    _, progress = share.run("y")
    assert progress.counters["FilesDeleted"] == 1
    assert "FilesVerified" not in progress.counters
    listed = share.s3.list_objects_v2(Bucket=share.bucket)["Contents"]
    assert [entry["Key"] for entry in listed] == ["zone/wms/a"]
    assert share.s3.get_object(Bucket=share.bucket, Key="zone/wms/a")["Body"].read() == b"old"


@pytest.mark.faults
def test_the_same_token_starts_once_even_if_the_answer_is_lost(twin: Twin, tmp_path: Path) -> None:
    share = Share(twin, tmp_path)
    share.put("a", b"1")
    twin.faults.add("lose_answer", "datasync", "StartTaskExecution", first=1)
    execution, _ = share.run()
    assert share.mover().start("x") == execution
    assert share.executions() == 1
    assert share.mover().start("z") != execution
    assert share.executions() == 2


@pytest.mark.faults
def test_a_source_that_cannot_be_read_fails_in_the_service_s_own_words(twin: Twin, tmp_path: Path) -> None:
    share = Share(twin, tmp_path)
    share.folder.rmdir()
    with pytest.raises(TransferFailed, match=r"ended as ERROR: OpErrors: .*is no folder that can be mounted"):
        share.run()


@pytest.mark.faults
def test_a_file_that_changes_meanwhile_is_found_by_the_verification(twin: Twin, tmp_path: Path) -> None:
    share = Share(twin, tmp_path, BytesPerSecond=2000)
    share.put("a", b"1" * 1000)
    mover = share.mover()
    execution = mover.start("x")
    eventually(lambda: mover.look(execution).status == "TRANSFERRING")
    share.put("a", b"2" * 1000)
    os.utime(share.folder / "a", (1, 1))
    with pytest.raises(TransferFailed, match="VerificationErrors: /a differs"):
        followed(mover, execution)
    with pytest.raises(PartialTransfer):
        mover.landed(execution)


@pytest.mark.faults
def test_a_cancelled_execution_is_told_apart(twin: Twin, tmp_path: Path) -> None:
    share = Share(twin, tmp_path, BytesPerSecond=100)
    share.put("a", b"1" * 100_000)
    mover = share.mover()
    execution = mover.start("x")
    eventually(lambda: mover.look(execution).status == "TRANSFERRING")
    share.client.cancel_task_execution(TaskExecutionArn=execution)
    with pytest.raises(TransferCancelled, match="Cancelled"):
        followed(mover, execution)


@pytest.mark.faults
def test_half_a_file_is_never_taken_for_whole(twin: Twin, tmp_path: Path) -> None:
    company = Company(tmp_path / "company", SETTINGS.replace("orders/{", "wms/{"))
    feed = bind(company.settings, company.dataset("erp_orders"))
    share = Share(twin, tmp_path, BytesPerSecond=200)
    share.put("2025-01-06.csv", f"{ORDERS}\nO1;1;a;S1;2025-01-06;5;2\nO1;2;a;S1;2025-01-06;5;2\n".encode())
    whole = (share.folder / "2025-01-06.csv").stat().st_size

    def carry(patience_seconds: float, between: Callable[[], object] = lambda: None) -> None:
        def sleep(seconds: float) -> None:
            between()
            time.sleep(min(seconds, 0.05))

        carry_out(
            "wms",
            share.mover(),
            "wms/",
            lake=company.lake,
            now=datetime.utcnow,
            sleep=sleep,
            clock=time.monotonic,
            patience_seconds=patience_seconds,
        )

    with pytest.raises(TransferUnderWay):
        carry(0.05)
    [found] = eventually(lambda: list(share.zone.list()))
    assert 0 < found.size_bytes < whole
    assert new_objects("erp_orders", feed, zone=share.zone, lake=company.lake) == []
    carry(30)
    [arrival] = new_objects("erp_orders", feed, zone=share.zone, lake=company.lake)
    assert arrival.found.size_bytes == whole
    assert share.executions() == 1


@pytest.mark.faults
def test_what_is_not_there_as_told_is_a_break(twin: Twin, tmp_path: Path) -> None:
    share = Share(twin, tmp_path, mode="ENHANCED")
    share.put("a", b"123")
    share.put("b", b"45")
    execution, progress = share.run()
    names = share.mover().landed(execution)
    share.s3.delete_object(Bucket=share.bucket, Key="zone/wms/a")
    account = account_of_transfer(progress, names, None, zone=share.zone)
    assert account.breaks == (
        "wms/a is not there",
        "2 files told, 1 objects there",
        "5 bytes told, 2 bytes there",
    )
