"""AppFlow on the twin: it pulls from a SaaS application over HTTP, and what it lands becomes raw rows."""

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from o9_assets.landing.datasets import TRANSFERS
from o9_assets.landing.leftovers import set_leftovers_aside
from o9_assets.landing.transfers import carry_out
from o9_assets.planning.settings import parse
from o9_assets.resources.lake import everything
from o9_assets.resources.transfers.mover import PartialTransfer, State, TransferUnderWay, UnknownTransfer
from o9_assets.sandbox.aws import Twin
from o9_assets.sandbox.saas import Saas
from o9_assets_tests.aws import eventually, unique
from o9_assets_tests.transferred import Transferring, failure, told

pytestmark = pytest.mark.aws

SETTINGS = """
company: Test
timezone: UTC
currency: EUR
feeds:
  erp_orders:
    path: "orders/*.csv"
    format: {{type: csv}}
    columns: {{order_id: o, order_line: l, item_code: i, location_code: s, order_date: d, quantity: q}}
  promotions:
    path: "crm/{flow}/*/*/*"
    format: {{type: {type}}}
    columns: {{promotion_id: promotion, item_code: material, location_code: ship_to, start_date: start, end_date: end,
              discount_fraction: discount}}
    optional: [discount]
units: {{missing_uom: EA}}
transfers:
  crm:
    kind: appflow
    flow: {flow}
    lands: crm/
    feeds: [promotions]
    source: crm
o9: {{columns: {{item: "Item.[Item]", location: "Location.[Location]", time: "Time.[Partial Week]",
     version: "Version.[Version Name]"}}, measures: {{orders_quantity: Orders}}}}
"""
FIELDS = ("promotion", "material", "ship_to", "start", "end", "discount")
COLUMNS = (
    *("promotion_id", "item_code", "location_code"),
    *("CAST(start_date AS VARCHAR)", "CAST(discount_fraction AS DOUBLE)"),
)


def promotion(number: int) -> dict[str, Any]:
    start, end = f"2026-0{number % 9 + 1}-01", f"2026-0{number % 9 + 1}-14"
    return {
        "promotion": f"PR-{number:04d}",
        "material": f"FG-{number % 7}",
        "ship_to": "*",
        "start": start,
        "end": end,
        "type": "price cut",
        "discount": round(0.05 * (number % 5 + 1), 2),
    }


def expected(records: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return sorted(
        (r["promotion"], r["material"], r["ship_to"], r["start"], pytest.approx(r["discount"])) for r in records
    )


@pytest.fixture
def saas() -> Iterator[Saas]:
    with Saas({"Promotions": [promotion(n) for n in range(25)]}, page=10) as made:
        yield made


class Crm(Transferring):
    """A company whose promotions come from the SaaS application through a flow."""

    def __init__(self, home: Path, twin: Twin, saas: Saas, form: str = "CSV", **options: Any) -> None:
        self.flow = unique("promotions")
        kind = {"CSV": "csv", "JSON": "jsonl", "PARQUET": "parquet"}[form]
        super().__init__(home, twin, SETTINGS.format(flow=self.flow, type=kind))
        self.form, self.options, self.client = form, options, twin.client("appflow")
        self.client.create_connector_profile(
            connectorProfileName=self.flow,
            connectorType="SAPOData",
            connectionMode="Public",
            connectorProfileConfig={
                "connectorProfileProperties": {
                    "SAPOData": {
                        "applicationHostUrl": "http://127.0.0.1",
                        "applicationServicePath": "/odata",
                        "portNumber": saas.port,
                        "clientNumber": "100",
                    }
                }
            },
        )
        self.client.create_flow(**self.definition(FIELDS))

    def definition(self, fields: tuple[str, ...], trigger: str = "OnDemand") -> dict[str, Any]:
        projection = {
            "taskType": "Filter",
            "sourceFields": list(fields),
            "connectorOperator": {"SAPOData": "PROJECTION"},
        }
        maps = [
            {"taskType": "Map", "sourceFields": [f], "destinationField": f, "connectorOperator": {"SAPOData": "NO_OP"}}
            for f in fields
        ]
        form = {
            "fileType": self.form,
            "prefixConfig": {"pathPrefixHierarchy": ["SCHEMA_VERSION", "EXECUTION_ID"]},
            **self.options,
        }
        properties = {"bucketName": self.bucket, "bucketPrefix": "zone/crm", "s3OutputFormatConfig": form}
        return {
            "flowName": self.flow,
            "triggerConfig": {"triggerType": trigger},
            "sourceFlowConfig": {
                "connectorType": "SAPOData",
                "connectorProfileName": self.flow,
                "sourceConnectorProperties": {"SAPOData": {"objectPath": "/Promotions"}},
            },
            "destinationFlowConfigList": [
                {"connectorType": "S3", "destinationConnectorProperties": {"S3": properties}}
            ],
            "tasks": [projection, *maps],
        }

    def mover(self) -> Any:
        return self.movers.open(self.settings.transfers["crm"])


@pytest.mark.parametrize("form", ["CSV", "JSON", "PARQUET"])
def test_raw_rows_are_the_application_s_records(tmp_path: Path, twin: Twin, saas: Saas, form: str) -> None:
    crm = Crm(tmp_path, twin, saas, form)
    result = crm.run("crm")
    assert result.success
    metadata = told(result)
    assert (metadata["objects"], metadata["dagster/row_count"]) == (3, 25)
    execution = metadata["execution"]
    assert [key.rsplit("/", 1)[0] for key in crm.objects()] == [f"crm/{crm.flow}/schemaVersion_1/{execution}"] * 3
    report = crm.ingest("promotions")
    assert (report.landed_rows, report.quarantined_rows) == (25, 0)
    assert crm.rows("promotions", COLUMNS) == expected(saas.entities["Promotions"])
    assert crm.account("promotions").balanced


def test_parquet_keeps_types_where_the_flow_says_so(tmp_path: Path, twin: Twin, saas: Saas) -> None:
    import io

    import pyarrow.parquet as pq

    kinds = {}
    for typed in (False, True):
        crm = Crm(tmp_path / str(typed), twin, saas, "PARQUET", preserveSourceDataTyping=typed)
        assert crm.run("crm").success
        body = twin.client("s3").get_object(Bucket=crm.bucket, Key=f"zone/{crm.objects()[0]}")["Body"].read()
        kinds[typed] = str(pq.read_schema(io.BytesIO(body)).field("discount").type)
    assert kinds == {False: "string", True: "double"}


def test_a_changed_mapping_raises_the_schema_version_and_its_rows_are_read_too(
    tmp_path: Path, twin: Twin, saas: Saas
) -> None:
    crm = Crm(tmp_path, twin, saas)
    assert crm.run("crm").success
    crm.ingest("promotions")
    saas.entities["Promotions"] = [promotion(99)]
    crm.client.update_flow(**crm.definition(FIELDS[:-1]))
    assert crm.run("crm").success
    assert {key.split("/")[2] for key in crm.objects()} == {"schemaVersion_1", "schemaVersion_2"}
    report = crm.ingest("promotions")
    assert (report.objects, report.accepted_rows, report.set_aside) == (1, 1, {})
    assert crm.rows("promotions", ("promotion_id", "discount_fraction"))[-1] == ("PR-0099", None)


@pytest.mark.faults
def test_records_that_could_not_be_written_make_the_execution_a_failure(tmp_path: Path, twin: Twin, saas: Saas) -> None:
    crm = Crm(tmp_path, twin, saas)
    twin.fakes["appflow"].broken_puts = 1  # type: ignore[attr-defined]
    result = crm.run("crm")
    assert not result.success
    said = failure(result)
    assert "10 records could not be written" in said
    assert "recordsProcessed 25" in said
    assert "putFailuresCount 10" in said
    assert [row["state"] for row in crm.ledger("crm")] == ["failed"]
    # What it wrote all the same is held back, and set aside for good before the next execution.
    assert len(crm.objects()) == 2
    assert crm.ingest("promotions").objects == 0
    assert crm.run("crm").success
    assert crm.ingest("promotions").landed_rows == 25
    assert crm.rows("promotions", COLUMNS) == expected(saas.entities["Promotions"])
    assert [row["status"] for row in crm.manifest()] == ["withdrawn"] * 2 + ["ingested"] * 3
    assert crm.account("promotions").balanced


def change(crm: Crm, changed: str) -> str:
    """Give the transfer, or the flow that it starts, another name in the settings; returns the transfer's."""
    if changed == "the transfer's name":
        crm.settings = parse(crm.text.replace("  crm:\n    kind", "  customers:\n    kind"))
        return "customers"
    former, crm.flow = crm.flow, unique("promotions")
    source = {
        "connectorType": "SAPOData",
        "connectorProfileName": former,
        "sourceConnectorProperties": {"SAPOData": {"objectPath": "/Promotions"}},
    }
    crm.client.create_flow(**{**crm.definition(FIELDS), "sourceFlowConfig": source})
    crm.settings = parse(crm.text.replace(f"crm/{former}/*", "crm/*/*").replace(former, crm.flow))
    if changed == "the flow, which is deleted":
        crm.client.delete_flow(flowName=former)
    return "crm"


def left_under_way(crm: Crm) -> None:
    """Start the flow, and lose patience while it runs."""
    with pytest.raises(TransferUnderWay, match="is still InProgress"):
        carry_out(
            "crm",
            crm.mover(),
            "crm/",
            lake=crm.lake,
            now=lambda: datetime.now(UTC).replace(tzinfo=None),
            sleep=time.sleep,
            clock=time.monotonic,
            patience_seconds=0.05,
        )


def aside(crm: Crm, now: datetime | None = None) -> int:
    """Set aside what failed executions left, as a run does first."""
    return set_leftovers_aside(
        "crm",
        crm.mover(),
        "crm/",
        {"promotions": crm.settings.feeds["promotions"]},
        zone=crm.zone.open(),
        lake=crm.lake,
        now=now or datetime.now(UTC).replace(tzinfo=None),
    )


CHANGES = ["the transfer's name", "the flow", "the flow, which is deleted"]


@pytest.mark.faults
@pytest.mark.parametrize("changed", CHANGES)
def test_what_a_failed_execution_left_is_never_read_whatever_is_renamed_then(
    tmp_path: Path, twin: Twin, saas: Saas, changed: str
) -> None:
    crm = Crm(tmp_path, twin, saas)
    twin.fakes["appflow"].broken_puts = 1  # type: ignore[attr-defined]
    assert "10 records could not be written" in failure(crm.run("crm"))
    assert len(crm.objects()) == 2
    assert crm.run(change(crm, changed)).success
    assert crm.ingest("promotions").landed_rows == 25
    assert crm.rows("promotions", COLUMNS) == expected(saas.entities["Promotions"])
    assert [row["status"] for row in crm.manifest()] == ["withdrawn"] * 2 + ["ingested"] * 3


@pytest.mark.faults
@pytest.mark.parametrize("changed", CHANGES)
def test_what_fails_after_its_run_died_and_it_was_renamed_is_never_read(
    tmp_path: Path, twin: Twin, saas: Saas, changed: str
) -> None:
    crm = Crm(tmp_path, twin, saas)
    twin.fakes["appflow"].broken_puts = 1  # type: ignore[attr-defined]
    saas.hold()
    left_under_way(crm)
    saas.release()
    [row] = crm.ledger("crm")
    eventually(lambda: crm.mover().look(row["execution"]).state is State.FAILED)
    assert len(crm.objects()) == 2
    assert crm.run(change(crm, changed)).success
    assert crm.ingest("promotions").landed_rows == 25
    assert crm.rows("promotions", COLUMNS) == expected(saas.entities["Promotions"])


@pytest.mark.faults
def test_another_flow_waits_for_what_the_former_one_still_writes(tmp_path: Path, twin: Twin, saas: Saas) -> None:
    crm = Crm(tmp_path, twin, saas)
    twin.fakes["appflow"].broken_puts = 1  # type: ignore[attr-defined]
    saas.hold()
    left_under_way(crm)
    [row] = crm.ledger("crm")
    former = crm.mover()
    change(crm, "the flow")
    with pytest.raises(TransferUnderWay, match="still writes"):
        aside(crm)
    saas.release()
    eventually(lambda: former.look(row["execution"]).state is State.FAILED)
    assert crm.run("crm").success
    assert crm.ingest("promotions").landed_rows == 25
    assert [row["status"] for row in crm.manifest()] == ["withdrawn"] * 2 + ["ingested"] * 3


@pytest.mark.faults
def test_an_execution_that_appflow_lists_no_more_is_waited_for_a_minute(tmp_path: Path, twin: Twin, saas: Saas) -> None:
    crm = Crm(tmp_path, twin, saas)
    saas.hold()
    left_under_way(crm)
    saas.release()
    [row] = crm.ledger("crm")
    lost = pa.Table.from_pylist([{**row, "execution": "lost"}], TRANSFERS.arrow_schema)
    crm.lake.overwrite(TRANSFERS, lost, everything())
    change(crm, "the flow")
    with pytest.raises(TransferUnderWay, match="still writes"):
        aside(crm, row["started_at"] + timedelta(seconds=55))
    assert aside(crm, row["started_at"] + timedelta(seconds=65)) == 0


@pytest.mark.faults
def test_what_many_failed_executions_left_is_listed_once(tmp_path: Path, twin: Twin, saas: Saas) -> None:
    crm = Crm(tmp_path, twin, saas)
    for _ in range(3):
        twin.fakes["appflow"].broken_puts = 1  # type: ignore[attr-defined]
        assert not crm.run("crm").success
    before = len(twin.journal.calls("s3", "ListObjectsV2"))
    assert aside(crm) == 2
    assert len(twin.journal.calls("s3", "ListObjectsV2")) == before + 1


@pytest.mark.faults
def test_an_application_that_breaks_off_is_told_in_its_own_words(tmp_path: Path, twin: Twin, saas: Saas) -> None:
    crm = Crm(tmp_path, twin, saas)
    saas.fails_after = 1
    said = failure(crm.run("crm"))
    assert "ended as Error: The source answered 503" in said
    assert "The service is being maintained." in said
    assert len(crm.objects()) == 1
    assert crm.ingest("promotions").objects == 0


def test_a_run_that_died_is_followed_on_by_the_next(tmp_path: Path, twin: Twin, saas: Saas) -> None:
    crm = Crm(tmp_path, twin, saas)
    saas.hold()
    left_under_way(crm)
    saas.release()
    result = crm.run("crm")
    assert result.success
    assert told(result)["followed from an earlier run"] is True
    assert [row["state"] for row in crm.ledger("crm")] == ["succeeded"]
    assert len(crm.client.describe_flow_execution_records(flowName=crm.flow)["flowExecutions"]) == 1


def test_the_same_token_finds_the_same_execution(tmp_path: Path, twin: Twin, saas: Saas) -> None:
    crm = Crm(tmp_path, twin, saas)
    saas.hold()
    mover = crm.mover()
    execution = mover.start("the-token")
    assert mover.start("the-token") == execution
    assert mover.look(execution).state is State.RUNNING
    with pytest.raises(PartialTransfer, match="is InProgress"):
        mover.landed(execution)
    saas.release()
    eventually(lambda: mover.look(execution).state is State.SUCCEEDED)
    assert crm.mover().start("the-token") == execution
    assert len(crm.client.describe_flow_execution_records(flowName=crm.flow)["flowExecutions"]) == 1
    assert len(mover.landed(execution)) == 3


def test_a_stopped_flow_is_cancelled(tmp_path: Path, twin: Twin, saas: Saas) -> None:
    crm = Crm(tmp_path, twin, saas)
    saas.hold()
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(crm.run("crm")))
    thread.start()
    eventually(lambda: saas and crm.client.describe_flow_execution_records(flowName=crm.flow)["flowExecutions"])
    crm.mover().stop()
    saas.release()
    thread.join(timeout=60)
    assert "ended as Canceled" in failure(results[0])
    assert [row["state"] for row in crm.ledger("crm")] == ["cancelled"]


def test_what_cannot_work_says_what_to_do(tmp_path: Path, twin: Twin, saas: Saas) -> None:
    crm = Crm(tmp_path, twin, saas)
    mover, seconds = crm.mover(), [0.0]
    mover._clock = lambda: seconds[0]
    # Whoever follows it on may have started it a moment ago, in another process.
    assert mover.look("gone").status == "not listed yet"
    seconds[0] = 61
    with pytest.raises(UnknownTransfer, match="does not know the execution"):
        mover.look("gone")
    crm.client.update_flow(**crm.definition(FIELDS, trigger="Scheduled"))
    assert "Set its trigger to OnDemand" in failure(crm.run("crm"))
    crm.client.delete_flow(flowName=crm.flow)
    assert f"There is no flow {crm.flow}" in failure(crm.run("crm"))


def test_without_the_execution_s_id_in_its_names_nothing_is_taken_for_whole(
    tmp_path: Path, twin: Twin, saas: Saas
) -> None:
    crm = Crm(tmp_path, twin, saas)
    mover = crm.mover()
    execution = mover.start("one")
    eventually(lambda: mover.look(execution).state is State.SUCCEEDED)
    s3 = twin.client("s3")
    for key in crm.objects():
        s3.delete_object(Bucket=crm.bucket, Key=f"zone/{key}")
    with pytest.raises(PartialTransfer, match="no object carries the id"):
        mover.landed(execution)


@pytest.mark.parametrize(
    ("prefix", "pattern"),
    [
        ({"prefixType": "PATH", "prefixFormat": "DAY"}, r"crm/{flow}/\d{{4}}/\d\d/\d\d/{execution}-[^/]+"),
        ({"prefixType": "FILENAME", "prefixFormat": "MONTH"}, r"crm/{flow}/\d{{4}}-\d\d-{execution}-[^/]+"),
        (
            {"prefixType": "PATH_AND_FILENAME", "prefixFormat": "YEAR", "pathPrefixHierarchy": ["EXECUTION_ID"]},
            r"crm/{flow}/{execution}/\d{{4}}/\d{{4}}-{execution}-[^/]+",
        ),
        ({}, r"crm/{flow}/{execution}-[^/]+"),
    ],
)
def test_objects_are_found_in_every_layout(
    tmp_path: Path, twin: Twin, saas: Saas, prefix: dict[str, Any], pattern: str
) -> None:
    import re

    crm = Crm(tmp_path, twin, saas, prefixConfig=prefix, aggregationConfig={"aggregationType": "SingleFile"})
    result = crm.run("crm")
    assert result.success
    execution = told(result)["execution"]
    [key] = crm.objects()
    assert re.fullmatch(pattern.format(flow=crm.flow, execution=execution), key)
