"""Batches by Lambda and by Glue: events to the landing zone, and files of cells to o9, each once."""

import json
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from o9_assets.failures import Permanent
from o9_assets.lambdas import export_to_o9, stream_to_s3
from o9_assets_tests.company import SETTINGS
from o9_assets_tests.company_on_aws import CompanyOnAws
from o9_assets_tests.integration.lambdas.conftest import Place, kinesis_event, s3_event
from o9_assets_tests.streams import event

pytestmark = pytest.mark.aws
CELLS = """bucket_start,item_code,location_code,orders_quantity
2025-03-03,A,L1,5
2025-03-03,B,L1,7.25
2025-03-10,C,L1,
2025-03-04,D,L1,1
2025-03-10,"E,""=1+1",L1,3
2025-03-10,F,L1,many
2025-03-10,G,L1,1
2025-03-10,G,L1,2
"""


def test_events_become_objects_of_the_landing_zone_that_a_retry_writes_again(place: Place) -> None:
    moment = datetime(2026, 3, 4, 9, 30, tzinfo=UTC).timestamp()
    payloads = [b'{"id": "E1", "qty": 1.10}', b"no json", b'{\n "id": "E2"\n}']
    batch = kinesis_event(*(("a", payload) for payload in payloads), at=moment)
    name = "streams/demand/2026/03/04/09/shardId-000000000000.4950000001-0..4950000003-0.jsonl"
    assert stream_to_s3.handler(batch, None)["objects"] == [name]
    assert stream_to_s3.handler(batch, None)["objects"] == [name]
    assert place.objects("O9_LANDING_ZONE") == {name: b'{"id": "E1", "qty": 1.10}\n{  "id": "E2" }\n'}
    [letter] = place.objects("O9_DEAD_LETTERS").values()
    assert json.loads(letter)["data"] == "no json"


def test_those_objects_are_a_feed_and_a_batch_that_comes_again_changes_nothing(place: Place, tmp_path: Path) -> None:
    def order(number: int) -> bytes:
        found = {"order": "O1", "line": number, "item": "a1", "ship_to": "S1", "date": "2025-01-06", "qty": number}
        return json.dumps(found).encode()

    text = SETTINGS.replace('path: "orders/{covers_date:%Y-%m-%d}*"', 'path: "streams/demand/**"')
    text = text.replace('{type: csv, delimiter: ";"}', "{type: jsonl}")
    company = CompanyOnAws(tmp_path / "company", text, bucket=place.environment["O9_LANDING_ZONE"].split("/")[2])
    batch = kinesis_event(("a", order(1)), ("a", b"no json"), ("b", order(2)))
    stream_to_s3.handler(batch, None)
    assert company.ingest().accepted_rows == 2
    stream_to_s3.handler(batch, None)
    assert company.ingest().objects == 0
    assert [row["quantity"] for row in company.raw()] == [1, 2]


def _put(place: Place, key: str, content: str) -> tuple[str, str, int]:
    bucket = place.environment["O9_RECEIPTS"].split("/")[2]
    etag = place.twin.client("s3").put_object(Bucket=bucket, Key=key, Body=content.encode())["ETag"].strip('"')
    return bucket, etag, len(content)


def test_a_file_of_cells_is_sent_once_with_its_receipt_and_refused_rows(place: Place) -> None:
    bucket, etag, size = _put(place, "batches/march 1.csv", CELLS)
    [report] = export_to_o9.handler(s3_event(bucket, ("batches/march+1.csv", etag, size)), None)["objects"]
    told = {"name": "batches/march 1.csv", "rows": 8, "accepted": 4, "found": 0, "refused": 4}
    # The cell without a quantity is one that o9 does not hold, so that there is nothing to take away.
    assert report == told | {"accepted": 3, "found": 1}
    assert place.held("DemandHistory") == {"A": 5, "B": pytest.approx(7.25), 'E,"=1+1': 3}
    receipts = place.objects("O9_RECEIPTS")
    refused = [json.loads(line) for line in receipts[f"batches/march 1.csv.{etag}.refused.jsonl"].splitlines()]
    assert [(row["row"], row["reason"]) for row in refused] == [
        (4, "no partial week begins on 2025-03-04"),
        (6, "orders_quantity is no number of 14 digits and 4 decimals"),
        (7, "the cell stands in the file more than once"),
        (8, "the cell stands in the file more than once"),
    ]
    requests = len(place.o9.store.received())
    by_bridge = {
        "detail": {"bucket": {"name": bucket}, "object": {"key": "batches/march 1.csv", "etag": etag, "size": size}}
    }
    [again] = export_to_o9.handler(by_bridge, None)["objects"]
    assert again == told | {"accepted": 0, "found": 4}
    assert len(place.o9.store.received()) == requests


@pytest.mark.faults
def test_an_event_that_comes_after_its_object_was_replaced_sends_nothing(place: Place) -> None:
    header = CELLS.partition("\n")[0]
    bucket, events = place.environment["O9_RECEIPTS"].split("/")[2], []
    place.twin.client("s3").put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    for quantity in (5, 6):
        bucket, etag, size = _put(place, "batches/a.csv", f"{header}\n2025-03-03,A,L1,{quantity}\n")
        events.append(s3_event(bucket, ("batches/a.csv", etag, size)))
    assert len(export_to_o9.handler(events[1], None)["objects"]) == 1
    assert export_to_o9.handler(events[0], None) == {"objects": [], "replaced": ["batches/a.csv"]}
    assert place.held("DemandHistory") == {"A": 6}


@pytest.mark.faults
def test_a_file_that_is_no_batch_is_told(place: Place) -> None:
    bucket, etag, size = _put(place, "batches/other.csv", "item,qty\nA,1\n")
    with pytest.raises(Permanent, match="has the columns item, qty"):
        export_to_o9.handler(s3_event(bucket, ("batches/other.csv", etag, size)), None)
    with pytest.raises(Permanent, match="no event of S3"):
        export_to_o9.handler(kinesis_event(("a", json.dumps(event(1)).encode())), None)
    assert place.objects("O9_RECEIPTS") == {}


def test_the_glue_script_sends_what_has_no_receipt(place: Place) -> None:
    header = CELLS.partition("\n")[0]
    bucket, _, _ = _put(place, "batches/a.csv", f"{header}\n2025-03-03,A,L1,5\n")
    arguments = ["--BATCHES", f"s3://{bucket}/batches", "--RECEIPTS", place.environment["O9_RECEIPTS"]]
    arguments += ["--SETTINGS", place.environment["O9_PLANNING"], "--O9_BASE_URL", place.o9.url]
    arguments += ["--JOB_NAME", "export", "--job-language", "python", "--TempDir", "s3://any/tmp"]

    def run() -> str:
        script = [sys.executable, "-m", "o9_assets.glue.export_to_o9", *arguments]
        return subprocess.run(script, capture_output=True, check=True, timeout=60, text=True).stdout

    assert "accepted=1" in run()
    assert run() == ""
    _put(place, "batches/a.csv", f"{header}\n2025-03-03,A,L1,6\n")
    assert "accepted=1" in run()
    assert place.held("DemandHistory") == {"A": 6}
    time.sleep(1)  # S3 tells times in seconds
    _put(place, "batches/a.csv", f"{header}\n2025-03-03,A,L1,5\n")
    assert "accepted=1" in run()
    assert place.held("DemandHistory") == {"A": 5}
    assert run() == ""
