"""Streams and queues invoke functions: in order, again after a failure, and never without a trace."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from o9_assets.sandbox.aws import Twin
from o9_assets.sandbox.aws.services.lambda_ import Lambda
from o9_assets_tests.aws import eventually, unique

pytestmark = pytest.mark.aws

# Each function writes what it took into a file, a line a call, and does as its environment says.
CODE = """
import base64, json, os, time
def handler(event, context):
    taken = [base64.b64decode(r["kinesis"]["data"]).decode() if "kinesis" in r else r["body"] for r in event["Records"]]
    with open(os.environ["TAKEN"], "a") as file:
        file.write(json.dumps(taken) + "\\n")
    if os.environ.get("BAD") in taken:
        if os.environ.get("REPORT"):
            bad = event["Records"][taken.index(os.environ["BAD"])]
            return {"batchItemFailures": [
                {"itemIdentifier": bad["kinesis"]["sequenceNumber"] if "kinesis" in bad else bad["messageId"]}]}
        raise ValueError("poison")
    if "hang" in taken and not os.path.exists(os.environ["TAKEN"] + ".hung"):
        open(os.environ["TAKEN"] + ".hung", "w").close()
        time.sleep(60)
"""


class Function:
    """A function and what it took, call by call."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.name, self._taken = unique("function"), folder / "taken"
        folder.joinpath("main.py").write_text(CODE)
        boto3.client("lambda").create_function(
            FunctionName=self.name,
            Runtime="python3.11",
            Role="arn:aws:iam::123456789012:role/any",
            Handler="main.handler",
            Timeout=30,
            Code={"S3Bucket": "sandbox-local", "S3Key": str(folder)},
            Environment={"Variables": {"TAKEN": str(self._taken), **environment}},
        )

    def calls(self) -> list[list[str]]:
        return [json.loads(line) for line in self._taken.read_text().splitlines()] if self._taken.exists() else []

    def taken(self) -> list[str]:
        return [text for call in self.calls() for text in call]

    def reads(self, source: str, **how: Any) -> str:
        """Map a source to it; returns the mapping's UUID."""
        client = boto3.client("lambda")
        return str(client.create_event_source_mapping(EventSourceArn=source, FunctionName=self.name, **how)["UUID"])


@pytest.fixture(autouse=True)
def unmapped(twin: Twin) -> Iterator[None]:
    """No mapping goes on after its test."""
    yield
    client = twin.client("lambda")
    for mapping in client.list_event_source_mappings()["EventSourceMappings"]:
        client.delete_event_source_mapping(UUID=mapping["UUID"])


@pytest.fixture
def stream(twin: Twin) -> tuple[str, str]:
    kinesis, name = boto3.client("kinesis"), unique("events")
    kinesis.create_stream(StreamName=name, ShardCount=1)
    return name, kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]["StreamARN"]


@pytest.fixture
def queue(twin: Twin) -> tuple[str, str]:
    sqs = boto3.client("sqs")
    url = sqs.create_queue(QueueName=unique("queue"), Attributes={"VisibilityTimeout": "0"})["QueueUrl"]
    return url, sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]


def put(stream: str, *texts: str) -> None:
    records = [{"Data": text.encode(), "PartitionKey": text} for text in texts]
    boto3.client("kinesis").put_records(StreamName=stream, Records=records)


def test_a_stream_is_read_in_order_and_across_a_split(stream: tuple[str, str], tmp_path: Path) -> None:
    function, (name, arn) = Function(tmp_path), stream
    put(name, "a", "b", "c")
    mapping = function.reads(arn, StartingPosition="TRIM_HORIZON", BatchSize=2)
    eventually(lambda: len(function.taken()) == 3)
    assert function.calls() == [["a", "b"], ["c"]]
    kinesis = boto3.client("kinesis")
    kinesis.split_shard(StreamName=name, ShardToSplit="shardId-000000000000", NewStartingHashKey=str(2**127))
    put(name, *(str(n) for n in range(10)))
    eventually(lambda: len(function.taken()) == 13)
    assert sorted(function.taken()[3:], key=int) == [str(n) for n in range(10)]
    client = boto3.client("lambda")
    client.delete_event_source_mapping(UUID=mapping)
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.get_event_source_mapping(UUID=mapping)


@pytest.mark.faults
def test_a_poison_record_is_found_by_halving_and_told_to_the_failure_destination(
    stream: tuple[str, str], queue: tuple[str, str], tmp_path: Path
) -> None:
    function, (name, arn), (url, queue_arn) = Function(tmp_path, BAD="c"), stream, queue
    put(name, "a", "b", "c", "d")
    function.reads(
        arn,
        StartingPosition="TRIM_HORIZON",
        BisectBatchOnFunctionError=True,
        MaximumRetryAttempts=1,
        DestinationConfig={"OnFailure": {"Destination": queue_arn}},
    )
    sqs = boto3.client("sqs")
    [message] = eventually(lambda: sqs.receive_message(QueueUrl=url).get("Messages", []))
    told = json.loads(message["Body"])
    assert told["requestContext"]["condition"] == "RetryAttemptsExhausted"
    assert told["requestContext"]["approximateInvokeCount"] == 2
    assert told["KinesisBatchInfo"]["batchSize"] == 1
    eventually(lambda: "d" in function.taken() and function.calls()[-1] == ["d"])
    assert function.calls() == [["a", "b", "c", "d"], ["a", "b"], ["c", "d"], ["c"], ["c"], ["d"]]


@pytest.mark.faults
def test_a_reported_record_is_where_a_stream_goes_on(stream: tuple[str, str], tmp_path: Path) -> None:
    function, (name, arn) = Function(tmp_path, BAD="c", REPORT="1"), stream
    put(name, "a", "b", "c", "d")
    how = {"FunctionResponseTypes": ["ReportBatchItemFailures"], "MaximumRetryAttempts": 1}
    function.reads(arn, StartingPosition="TRIM_HORIZON", **how)
    eventually(function.calls)
    put(name, "e")
    eventually(lambda: "e" in function.taken())
    assert function.calls()[:2] == [["a", "b", "c", "d"], ["c", "d"]]


@pytest.mark.faults
def test_a_function_killed_half_way_gets_its_batch_again(twin: Twin, stream: tuple[str, str], tmp_path: Path) -> None:
    function, (name, arn), fake = Function(tmp_path), stream, twin.fakes["lambda"]
    assert isinstance(fake, Lambda)
    put(name, "a", "hang")
    function.reads(arn, StartingPosition="TRIM_HORIZON")
    eventually(lambda: (tmp_path / "taken.hung").exists())
    [process] = fake.processes(function.name)
    os.kill(process, signal.SIGKILL)
    eventually(lambda: len(function.calls()) == 2)
    assert function.calls() == [["a", "hang"], ["a", "hang"]]


def test_a_queue_keeps_what_failed_and_forgets_what_succeeded(queue: tuple[str, str], tmp_path: Path) -> None:
    function, (url, arn) = Function(tmp_path, BAD="bad", REPORT="1"), queue
    sqs = boto3.client("sqs")
    for text in ("one", "bad", "two"):
        sqs.send_message(QueueUrl=url, MessageBody=text)
    function.reads(arn, FunctionResponseTypes=["ReportBatchItemFailures"])
    eventually(lambda: function.taken().count("bad") >= 3)
    assert (function.taken().count("one"), function.taken().count("two")) == (1, 1)


@pytest.mark.faults
def test_what_a_mapping_cannot_do_is_refused(stream: tuple[str, str], tmp_path: Path) -> None:
    function, (_, arn), client = Function(tmp_path), stream, boto3.client("lambda")
    refused = client.exceptions.InvalidParameterValueException
    with pytest.raises(refused, match="NotEmulated: FilterCriteria"):
        function.reads(arn, StartingPosition="LATEST", FilterCriteria={"Filters": [{"Pattern": "{}"}]})
    with pytest.raises(refused, match="StartingPosition is required"):
        function.reads(arn)
    with pytest.raises(refused, match="NotEmulated: event source mappings of 'arn:aws:dynamodb"):
        function.reads("arn:aws:dynamodb:us-east-1:123456789012:table/t/stream/x", StartingPosition="LATEST")
