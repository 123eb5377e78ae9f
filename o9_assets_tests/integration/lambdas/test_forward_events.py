"""The Lambda that forwards events: what failed is named, a key keeps its order, dead letters are kept."""

import json
import os
import signal
import subprocess
import sys
from typing import Any

import pytest
from starlette.responses import Response

from o9_assets.failures import Permanent
from o9_assets.lambdas.forward_events import handler
from o9_assets.resources import aws
from o9_assets_tests.aws import eventually, unique
from o9_assets_tests.integration.lambdas.conftest import Place, kinesis_event, sequences
from o9_assets_tests.streams import event, packed

pytestmark = pytest.mark.aws
SHARD = "demand/shardId-000000000000"


def sent(number: int, key: str = "a", **given: Any) -> tuple[str, bytes]:
    return key, json.dumps(event(number, **given)).encode()


def is_send(method: str, path: str) -> bool:
    return method == "POST" and "/fact/" in path


def test_events_are_forwarded_and_a_batch_that_comes_again_sends_nothing(place: Place) -> None:
    batch = kinesis_event(sent(1), sent(2), ("b", packed(sent(3)[1], sent(4)[1])))
    assert handler(batch, None) == {"batchItemFailures": []}
    assert place.held() == {f"E{n}": n for n in range(1, 5)}
    requests = len(place.o9.store.received())
    assert handler(batch, None) == {"batchItemFailures": []}
    assert len(place.o9.store.received()) == requests
    assert place.objects("O9_DEAD_LETTERS") == {}


@pytest.mark.faults
def test_after_a_failure_no_later_event_of_the_key_is_sent(place: Place) -> None:
    sends = 0

    def busy(number: int, method: str, path: str) -> Response | None:
        nonlocal sends
        sends += is_send(method, path)
        return Response(status_code=429) if sends == 2 and is_send(method, path) else None

    place.o9.faults.answer = busy
    # Requests of two: E1 E2, then E3 E4 which fails, then E5 E6 of which only E6 has a key that did not fail.
    batch = kinesis_event(sent(1, "a"), sent(2, "b"), sent(3, "a"), sent(4, "c"), sent(5, "c"), sent(6, "b"))
    assert sequences(handler(batch, None)) == [3, 4, 5]
    assert sorted(place.held()) == ["E1", "E2", "E6"]
    # Lambda tries again from the first that failed, so that one that went through comes a second time.
    again = kinesis_event(*[sent(3, "a"), sent(4, "c"), sent(5, "c"), sent(6, "b")], first=3)
    assert sequences(handler(again, None)) == []
    assert sorted(place.held()) == [f"E{n}" for n in range(1, 7)]
    assert set(place.o9.store.writes().values()) == {1}


@pytest.mark.faults
def test_what_can_never_be_sent_is_a_dead_letter_and_no_failure(place: Place) -> None:
    place.o9.faults.poison = '"E3"'
    batch = kinesis_event(sent(1), ("a", b"no json"), sent(3), sent(4, qty="many"), ("a", packed(sent(5)[1], b"{}")))
    assert sequences(handler(batch, None)) == []
    assert sorted(place.held()) == ["E1", "E5"]
    letters = {name: json.loads(text) for name, text in place.objects("O9_DEAD_LETTERS").items()}
    assert {name: letter["reason"] for name, letter in letters.items()} == {
        f"{SHARD}/4950000002-0.json": "not_json",
        f"{SHARD}/4950000003-0.json": "refused",
        f"{SHARD}/4950000004-0.json": "not_a_number",
        f"{SHARD}/4950000005-1.json": "missing_value",
    }
    assert json.loads(letters[f"{SHARD}/4950000004-0.json"]["data"])["id"] == "E4"
    handler(batch, None)
    assert len(place.objects("O9_DEAD_LETTERS")) == 4


@pytest.mark.faults
def test_a_dead_letter_that_cannot_be_kept_is_a_failure(place: Place) -> None:
    place.twin.faults.add("error500", "s3", "PutObject")
    assert sequences(handler(kinesis_event(sent(1), ("b", b"no json")), None)) == [2]
    assert sorted(place.held()) == ["E1"]


@pytest.mark.faults
def test_an_event_of_another_kind_is_told(place: Place) -> None:
    with pytest.raises(Permanent, match="no event of Kinesis"):
        handler({"Records": [{"s3": {}}]}, None)


CALL = """
import json, sys
from o9_assets.lambdas.forward_events import handler
print(json.dumps(handler(json.load(sys.stdin), None)))
"""


@pytest.mark.faults
def test_killed_half_way_and_tried_again_every_event_is_in_o9_once(place: Place) -> None:
    batch = json.dumps(kinesis_event(*(sent(n) for n in range(1, 8)))).encode()
    killed: list[int] = []

    def kill(number: int, method: str, path: str) -> None:
        if is_send(method, path) and len(place.o9.store.received()) == 2 and not killed:
            killed.append(process.pid)
            os.kill(process.pid, signal.SIGKILL)

    place.o9.faults.answer = kill
    process = subprocess.Popen([sys.executable, "-c", CALL], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    process.communicate(batch, timeout=60)
    assert (process.returncode, len(killed)) == (-signal.SIGKILL, 1)
    done = subprocess.run([sys.executable, "-c", CALL], input=batch, capture_output=True, check=True, timeout=60)
    assert json.loads(done.stdout) == {"batchItemFailures": []}
    assert place.held() == {f"E{n}": n for n in range(1, 8)}
    assert set(place.o9.store.writes().values()) == {1}


def test_a_stream_of_the_twin_triggers_it(place: Place) -> None:
    kinesis, functions, name = aws.client("kinesis"), place.twin.client("lambda"), unique("demand")
    kinesis.create_stream(StreamName=name, ShardCount=1)
    functions.create_function(
        FunctionName=name,
        Runtime="python3.11",
        Role="arn:aws:iam::123456789012:role/any",
        Handler="o9_assets.lambdas.forward_events.handler",
        Timeout=60,
        Code={"S3Bucket": "sandbox-local", "S3Key": str(place.home)},
        Environment={"Variables": {k: v for k, v in place.environment.items() if not k.startswith("AWS_")}},
    )
    arn = kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]["StreamARN"]
    mapping = functions.create_event_source_mapping(
        EventSourceArn=arn,
        FunctionName=name,
        StartingPosition="TRIM_HORIZON",
        BatchSize=100,
        FunctionResponseTypes=["ReportBatchItemFailures"],
    )
    try:
        records = [sent(1), sent(2), ("a", b"no json"), sent(3)]
        kinesis.put_records(StreamName=name, Records=[{"PartitionKey": key, "Data": data} for key, data in records])
        eventually(lambda: sorted(place.held()) == ["E1", "E2", "E3"], seconds=40)
        assert len(place.objects("O9_DEAD_LETTERS")) == 1
    finally:
        functions.delete_event_source_mapping(UUID=mapping["UUID"])
