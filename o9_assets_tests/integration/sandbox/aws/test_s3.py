"""What the twin's S3 has beside moto's: listings, notifications, the expected owner, conditions that hold."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from hypothesis import given, settings
from hypothesis import strategies as st

from o9_assets.sandbox.aws import Twin
from o9_assets_tests.aws import eventually, unique

pytestmark = pytest.mark.aws


@pytest.fixture
def bucket(twin: Twin) -> str:
    name = unique("bucket")
    boto3.client("s3").create_bucket(Bucket=name)
    return name


class Queue:
    """A queue and what came into it."""

    def __init__(self) -> None:
        self._sqs = boto3.client("sqs")
        self.url = self._sqs.create_queue(QueueName=unique("queue"))["QueueUrl"]
        asked = self._sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=["QueueArn"])
        self.arn = asked["Attributes"]["QueueArn"]

    def take(self, count: int) -> list[Any]:
        """The next messages, once there are so many."""
        found: list[Any] = []

        def enough() -> bool:
            for message in self._sqs.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10).get("Messages", []):
                self._sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
                found.append(json.loads(message["Body"]))
            return len(found) >= count

        eventually(enough)
        return found


def names(s3: Any, **query: Any) -> Iterator[str]:
    """All names of a listing, common prefixes among them, page by page."""
    for page in s3.get_paginator("list_objects_v2").paginate(**query):
        found = [e["Key"] for e in page.get("Contents", [])] + [p["Prefix"] for p in page.get("CommonPrefixes", [])]
        assert page["KeyCount"] == len(found)
        yield from sorted(found)


KEYS = ["a/1", "a/2/x", "a/2/y", "a/3", "a&b <c>", "b/ü 1.csv", "b/%41", "b+c", "c", "d/e/f/g", "é", "\U0001f600"]


@settings(max_examples=40, deadline=None)
@given(
    prefix=st.sampled_from(["", "a/", "a", "b/", "zzz", "d/e/"]),
    delimiter=st.sampled_from(["", "/"]),
    after=st.sampled_from(["", "a/1", "a/2/", "b", "c", "é"]),
    size=st.integers(1, 5),
)
def test_a_listing_is_all_names_in_order_whatever_the_page(
    listed: tuple[Any, str], prefix: str, delimiter: str, after: str, size: int
) -> None:
    s3, bucket = listed
    expected: list[str] = []
    for key in sorted(KEYS):
        if not key.startswith(prefix) or key <= after:
            continue
        cut = key.find(delimiter, len(prefix)) if delimiter else -1
        name = key if cut < 0 else key[: cut + 1]
        # A listing that begins after a common prefix, as the page after one does, goes on behind all of its keys.
        if name not in expected and name != after:
            expected.append(name)
    query = {"Bucket": bucket, "Prefix": prefix, "PaginationConfig": {"PageSize": size}}
    query |= {"Delimiter": delimiter} if delimiter else {}
    query |= {"StartAfter": after} if after else {}
    assert list(names(s3, **query)) == expected


@pytest.fixture(scope="module")
def listed(shared_twin: Twin) -> tuple[Any, str]:
    s3, bucket = shared_twin.client("s3"), unique("listed")
    s3.create_bucket(Bucket=bucket)
    for key in KEYS:
        s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    return s3, bucket


def test_a_listing_tells_of_changes_at_once(bucket: str) -> None:
    s3 = boto3.client("s3")
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket=bucket, Key="a", Body=b"1")
    [entry] = s3.list_objects_v2(Bucket=bucket)["Contents"]
    assert (entry["Size"], entry["ETag"], entry["StorageClass"]) == (
        1,
        s3.head_object(Bucket=bucket, Key="a")["ETag"],
        "STANDARD",
    )
    s3.put_object(Bucket=bucket, Key="a", Body=b"12")
    assert [e["Size"] for e in s3.list_objects_v2(Bucket=bucket)["Contents"]] == [2]
    s3.delete_object(Bucket=bucket, Key="a")
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)
    with pytest.raises(s3.exceptions.NoSuchBucket):
        s3.list_objects_v2(Bucket="nothing-here")


def test_a_queue_is_told_what_happened_to_which_version(bucket: str) -> None:
    s3, queue = boto3.client("s3"), Queue()
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    rules = [{"Name": "prefix", "Value": "landing/"}, {"Name": "suffix", "Value": ".csv"}]
    wanted = {
        "Id": "sensor",
        "QueueArn": queue.arn,
        "Events": ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"],
        "Filter": {"Key": {"FilterRules": rules}},
    }
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={"QueueConfigurations": [wanted]})
    assert queue.take(1)[0]["Event"] == "s3:TestEvent"
    kept = s3.get_bucket_notification_configuration(Bucket=bucket)
    assert kept["QueueConfigurations"] == [wanted]
    key = "landing/orders ü&1.csv"
    put = s3.put_object(Bucket=bucket, Key=key, Body=b"12345")
    s3.put_object(Bucket=bucket, Key="landing/other.txt", Body=b"")
    s3.put_object(Bucket=bucket, Key="elsewhere/x.csv", Body=b"")
    s3.copy_object(Bucket=bucket, Key="landing/copy.csv", CopySource={"Bucket": bucket, "Key": key})
    s3.delete_object(Bucket=bucket, Key=key)
    s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "landing/copy.csv"}, {"Key": "landing/none.txt"}]})
    records = [message["Records"][0] for message in queue.take(4)]
    told = [(r["eventName"], r["s3"]["object"]["key"]) for r in records]
    assert told == [
        ("ObjectCreated:Put", "landing/orders+%C3%BC%261.csv"),
        ("ObjectCreated:Copy", "landing/copy.csv"),
        ("ObjectRemoved:DeleteMarkerCreated", "landing/orders+%C3%BC%261.csv"),
        ("ObjectRemoved:DeleteMarkerCreated", "landing/copy.csv"),
    ]
    first = records[0]["s3"]
    assert (first["bucket"]["name"], first["configurationId"]) == (bucket, "sensor")
    assert first["object"]["versionId"] == put["VersionId"]
    assert (first["object"]["size"], first["object"]["eTag"]) == (5, put["ETag"].strip('"'))
    order = [record["s3"]["object"]["sequencer"] for record in records]
    assert order == sorted(order)


def test_an_upload_in_parts_is_one_event(bucket: str) -> None:
    s3, queue = boto3.client("s3"), Queue()
    config = {"QueueConfigurations": [{"QueueArn": queue.arn, "Events": ["s3:ObjectCreated:*"]}]}
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=config)
    upload = s3.create_multipart_upload(Bucket=bucket, Key="big")["UploadId"]
    part = {"Bucket": bucket, "Key": "big", "UploadId": upload}
    etag = s3.upload_part(**part, PartNumber=1, Body=b"x" * 10)["ETag"]
    s3.complete_multipart_upload(**part, MultipartUpload={"Parts": [{"ETag": etag, "PartNumber": 1}]})
    told = [m["Records"][0]["eventName"] for m in queue.take(2) if "Records" in m]
    assert told == ["ObjectCreated:CompleteMultipartUpload"]


def test_a_function_is_called_for_an_object(twin: Twin, bucket: str, tmp_path: Any) -> None:
    code = "import boto3\ndef handler(event, context):\n"
    code += "    o = event['Records'][0]['s3']\n    s3 = boto3.client('s3')\n"
    code += "    body = s3.get_object(Bucket=o['bucket']['name'], Key=o['object']['key'])['Body'].read()\n"
    code += "    s3.put_object(Bucket=o['bucket']['name'], Key='out/' + o['object']['key'], Body=body.upper())\n"
    (tmp_path / "main.py").write_text(code)
    name, client, s3 = unique("function"), boto3.client("lambda"), boto3.client("s3")
    arn = client.create_function(
        FunctionName=name,
        Runtime="python3.11",
        Role="arn:aws:iam::123456789012:role/any",
        Handler="main.handler",
        Timeout=30,
        Code={"S3Bucket": "sandbox-local", "S3Key": str(tmp_path)},
    )["FunctionArn"]
    rules = [{"Name": "prefix", "Value": "in/"}]
    wanted = {"LambdaFunctionArn": arn, "Events": ["s3:ObjectCreated:Put"], "Filter": {"Key": {"FilterRules": rules}}}
    s3.put_bucket_notification_configuration(
        Bucket=bucket, NotificationConfiguration={"LambdaFunctionConfigurations": [wanted]}
    )
    s3.put_object(Bucket=bucket, Key="in/a", Body=b"orders")
    eventually(lambda: s3.list_objects_v2(Bucket=bucket, Prefix="out/")["KeyCount"] == 1)
    assert s3.get_object(Bucket=bucket, Key="out/in/a")["Body"].read() == b"ORDERS"


def test_event_bridge_carries_an_object_to_a_queue(bucket: str) -> None:
    s3, events, queue, rule = boto3.client("s3"), boto3.client("events"), Queue(), unique("rule")
    pattern = {"source": ["aws.s3"], "detail-type": ["Object Created"], "detail": {"bucket": {"name": [bucket]}}}
    events.put_rule(Name=rule, EventPattern=json.dumps(pattern))
    events.put_targets(Rule=rule, Targets=[{"Id": "queue", "Arn": queue.arn}])
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={"EventBridgeConfiguration": {}})
    s3.put_object(Bucket=bucket, Key="a b", Body=b"123")
    s3.delete_object(Bucket=bucket, Key="a b")
    [message] = queue.take(1)
    assert (message["source"], message["detail-type"]) == ("aws.s3", "Object Created")
    found = message["detail"]
    assert (found["object"]["key"], found["object"]["size"], found["reason"]) == ("a b", 3, "PutObject")


def test_a_target_that_is_not_there_is_refused(bucket: str) -> None:
    s3 = boto3.client("s3")
    wanted = {"QueueArn": "arn:aws:sqs:us-east-1:123456789012:nothing", "Events": ["s3:ObjectCreated:*"]}
    with pytest.raises(ClientError, match="Unable to validate the following destination"):
        s3.put_bucket_notification_configuration(
            Bucket=bucket, NotificationConfiguration={"QueueConfigurations": [wanted]}
        )
    assert "QueueConfigurations" not in s3.get_bucket_notification_configuration(Bucket=bucket)


@pytest.mark.faults
def test_another_owner_than_expected_is_denied(bucket: str) -> None:
    s3 = boto3.client("s3")
    s3.put_object(Bucket=bucket, Key="a", Body=b"1", ExpectedBucketOwner="123456789012")
    for call in (
        lambda: s3.put_object(Bucket=bucket, Key="a", Body=b"2", ExpectedBucketOwner="999999999999"),
        lambda: s3.get_object(Bucket=bucket, Key="a", ExpectedBucketOwner="999999999999"),
        lambda: s3.list_objects_v2(Bucket=bucket, ExpectedBucketOwner="999999999999"),
    ):
        with pytest.raises(ClientError, match="AccessDenied"):
            call()
    assert s3.get_object(Bucket=bucket, Key="a")["Body"].read() == b"1"


@pytest.mark.faults
def test_conditional_writes_hold(bucket: str) -> None:
    s3 = boto3.client("s3")
    first = s3.put_object(Bucket=bucket, Key="a", Body=b"1", IfNoneMatch="*")["ETag"]
    with pytest.raises(ClientError, match="PreconditionFailed"):
        s3.put_object(Bucket=bucket, Key="a", Body=b"2", IfNoneMatch="*")
    second = s3.put_object(Bucket=bucket, Key="a", Body=b"2", IfMatch=first)["ETag"]
    with pytest.raises(ClientError, match="PreconditionFailed"):
        s3.put_object(Bucket=bucket, Key="a", Body=b"3", IfMatch=first)
    with pytest.raises(ClientError, match="PreconditionFailed"):
        s3.get_object(Bucket=bucket, Key="a", IfMatch=first)
    assert s3.get_object(Bucket=bucket, Key="a", IfMatch=second)["Body"].read() == b"2"
