"""The twin's front door: what is emulated works, what is not says so, and what is told to go wrong does."""

from __future__ import annotations

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError, ResponseStreamingError

from o9_assets.sandbox.aws import Twin
from o9_assets_tests.aws import unique

pytestmark = pytest.mark.aws

ONCE = Config(retries={"total_max_attempts": 1})


def code(error: ClientError) -> str:
    return str(error.response["Error"]["Code"])


@pytest.fixture
def bucket(twin: Twin) -> str:
    name = unique("bucket")
    twin.client("s3").create_bucket(Bucket=name)
    twin.client("s3").put_object(Bucket=name, Key="a b/ü.txt", Body=b"x" * 100_000)
    return name


def test_an_object_comes_back_as_it_went_in_and_the_journal_tells_both(twin: Twin, bucket: str) -> None:
    s3 = boto3.client("s3")
    s3.put_object(Bucket=bucket, Key="one", Body=b"1")
    assert s3.get_object(Bucket=bucket, Key="one")["Body"].read() == b"1"
    assert s3.get_object(Bucket=bucket, Key="a b/ü.txt")["Body"].read() == b"x" * 100_000
    told = [(e.service, e.operation, e.status, e.fault) for e in twin.journal.calls()]
    assert told == [("s3", "PutObject", 200, None), ("s3", "GetObject", 200, None), ("s3", "GetObject", 200, None)]


@pytest.mark.parametrize(
    ("service", "operation", "given"),
    [
        ("athena", "list_work_groups", {}),  # moto keeps names and runs no query
        ("redshift-data", "list_statements", {}),  # moto answers the same three rows to any text
        ("glue", "start_workflow_run", {"Name": "nightly"}),
        ("outposts", "list_sites", {}),  # not in moto at all
        ("glue", "list_blueprints", {}),  # a service that moto has, an operation that it has not
    ],
)
def test_what_is_not_emulated_says_so_and_is_not_retried(
    twin: Twin, service: str, operation: str, given: dict[str, str]
) -> None:
    client = boto3.client(service)  # type: ignore[call-overload]
    with pytest.raises(ClientError, match=rf"NotEmulated: {service}\.\w+ is not emulated by the sandbox") as failed:
        getattr(client, operation)(**given)
    assert failed.value.response["ResponseMetadata"]["RetryAttempts"] == 0
    assert len(twin.journal.calls()) == 1


@pytest.mark.faults
@pytest.mark.parametrize("kind", ["throttle", "error500", "reset", "lose_answer"])
def test_a_passing_fault_is_retried_by_the_client(twin: Twin, bucket: str, kind: str) -> None:
    rule = twin.faults.add(kind, "s3", "GetObject", first=1)  # type: ignore[arg-type]
    s3 = boto3.client("s3")
    assert len(s3.get_object(Bucket=bucket, Key="a b/ü.txt")["Body"].read()) == 100_000
    assert (rule.seen, rule.done) == (2, 1)


@pytest.mark.faults
@pytest.mark.parametrize(
    ("service", "operation", "given", "told"),
    [
        ("s3", "list_buckets", {}, ("SlowDown", 503)),
        ("kinesis", "list_streams", {}, ("ProvisionedThroughputExceededException", 400)),
        ("sqs", "list_queues", {}, ("ThrottlingException", 400)),
        ("iam", "list_users", {}, ("Throttling", 400)),
        ("glue", "get_databases", {}, ("ThrottlingException", 400)),
        ("lambda", "list_functions", {}, ("TooManyRequestsException", 429)),
        ("datasync", "list_tasks", {}, ("ThrottlingException", 400)),
    ],
)
def test_each_service_throttles_in_its_own_words(
    twin: Twin, service: str, operation: str, given: dict[str, str], told: tuple[str, int]
) -> None:
    twin.faults.add("throttle", service)
    client = boto3.client(service, config=ONCE)  # type: ignore[call-overload]
    with pytest.raises(ClientError) as failed:
        getattr(client, operation)(**given)
    assert (code(failed.value), failed.value.response["ResponseMetadata"]["HTTPStatusCode"]) == told


@pytest.mark.faults
def test_a_cut_answer_a_reset_and_expired_credentials_reach_the_caller(twin: Twin, bucket: str) -> None:
    s3 = boto3.client("s3", config=ONCE)
    twin.faults.add("truncate", "s3", "GetObject", first=1)
    with pytest.raises(ResponseStreamingError):
        s3.get_object(Bucket=bucket, Key="a b/ü.txt")["Body"].read()
    twin.faults.add("reset", "s3", "ListObjectsV2", first=1)
    with pytest.raises(ConnectionClosedError):
        s3.list_objects_v2(Bucket=bucket)
    twin.faults.add("expired_token", "s3", first=1)
    with pytest.raises(ClientError) as failed:
        s3.list_objects_v2(Bucket=bucket)
    assert code(failed.value) == "ExpiredToken"
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 1


@pytest.mark.faults
def test_an_error_that_only_one_service_has_is_injected_by_its_name(twin: Twin) -> None:
    twin.faults.add("error", "kinesis", "GetRecords", code="ExpiredIteratorException", message="too old", first=1)
    kinesis = boto3.client("kinesis", config=ONCE)
    with pytest.raises(kinesis.exceptions.ExpiredIteratorException, match="too old"):
        kinesis.get_records(ShardIterator="x")


def test_the_twins_own_clients_see_no_faults_and_leave_no_trace(twin: Twin, bucket: str) -> None:
    twin.faults.add("error500")
    assert twin.client("s3").list_objects_v2(Bucket=bucket)["KeyCount"] == 1
    assert twin.journal.calls() == []
