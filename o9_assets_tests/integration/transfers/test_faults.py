"""Every mover through throttling, server errors, resets and cut answers: what lands is whole, and lands once."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from o9_assets.failures import Passing
from o9_assets.resources import aws
from o9_assets.resources.transfers.mover import Mover
from o9_assets.sandbox.aws import Twin
from o9_assets.sandbox.saas import Saas
from o9_assets_tests.integration.transfers.test_appflow import Crm, promotion
from o9_assets_tests.subscriber import Subscriber
from o9_assets_tests.transfers import Dms, Share, followed

pytestmark = [pytest.mark.aws, pytest.mark.faults]

Made = tuple[Mover, Callable[[], int]]
"""A mover, and how often its service carried the work out."""


def database(twin: Twin, home: Path, saas: Saas) -> Made:
    path = home / "erp.db"
    with sqlite3.connect(path) as con:
        con.execute("CREATE TABLE lines (id INTEGER PRIMARY KEY)")
        con.execute("INSERT INTO lines VALUES (1)")
    con.close()
    dms = Dms(twin, {"EngineName": "sqlite", "DatabaseName": str(path)}, kind="full-load")
    return dms.mover(), lambda: int("ReplicationTaskStartDate" in dms.task())


def share(twin: Twin, home: Path, saas: Saas) -> Made:
    made = Share(twin, home)
    made.put("a", b"1")
    mover = made.mover()
    client = twin.client("datasync")
    return mover, lambda: len(client.list_task_executions(TaskArn=mover.name)["TaskExecutions"])


def application(twin: Twin, home: Path, saas: Saas) -> Made:
    crm = Crm(home, twin, saas)
    return crm.mover(), lambda: len(crm.client.describe_flow_execution_records(flowName=crm.flow)["flowExecutions"])


def provider(twin: Twin, home: Path, saas: Saas) -> Made:
    subscriber = Subscriber(home, twin)
    revision = subscriber.publish(7, "A,North,2026-06-07,5")
    exchange = subscriber.exchange()
    [found] = exchange.revisions()
    return exchange.mover(found), lambda: sum(job["State"] == "COMPLETED" for job in subscriber.jobs(revision))


def begun(mover: Mover) -> str:
    """Start it as Dagster's retries do: a passing error is tried again, with the same token."""
    for _ in range(5):
        try:
            return mover.start("x")
        except Passing:
            continue
    return mover.start("x")


@pytest.mark.parametrize(
    ("service", "make"),
    [("dms", database), ("datasync", share), ("appflow", application), ("dataexchange", provider)],
)
@pytest.mark.parametrize("kind", ["throttle", "error500", "reset", "truncate"])
def test_a_fault_at_every_third_call_is_lived_through(
    twin: Twin, tmp_path: Path, service: str, make: Callable[[Twin, Path, Saas], Made], kind: str
) -> None:
    with Saas({"Promotions": [promotion(1)]}) as saas:
        mover, carried_out = make(twin, tmp_path, saas)
        struck = twin.faults.add(kind, service, every=3)  # type: ignore[arg-type]
        listing = twin.faults.add(kind, "s3", "ListObjectsV2", every=3)  # type: ignore[arg-type]
        execution = begun(mover)
        followed(mover, execution)
        assert mover.start("x") == execution
        assert len(mover.landed(execution)) == 1
        assert struck.done > 0
        twin.faults.remove(struck)
        twin.faults.remove(listing)
        assert carried_out() == 1


def test_an_answer_that_is_cut_every_time_is_no_answer(twin: Twin) -> None:
    """botocore alone would take half a JSON text for an answer that holds nothing."""
    rule = twin.faults.add("truncate", "dataexchange", "ListDataSets")
    client = aws.client("dataexchange", retries={"mode": "standard", "total_max_attempts": 2})
    with pytest.raises(aws.Unavailable, match="The answer to dataexchange:ListDataSets was cut short"):
        client.list_data_sets(Origin="ENTITLED")
    assert rule.done == 2
