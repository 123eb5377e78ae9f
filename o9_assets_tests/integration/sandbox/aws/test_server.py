"""The twin as a process: `python -m o9_assets.sandbox.aws`, its own pages, and what other clients send."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import boto3
import httpx
import pyarrow.fs as pafs
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from o9_assets.sandbox.aws import Twin
from o9_assets_tests.aws import unique

pytestmark = pytest.mark.aws


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A twin in a process of its own, that throttles the first ListBuckets."""
    folder = tmp_path_factory.mktemp("process")
    rules = [{"kind": "throttle", "service": "s3", "operation": "ListBuckets", "first": 1}]
    (folder / "faults.json").write_text(json.dumps(rules))
    options = ["--state", str(folder / "state"), "--port", "0", "--faults", str(folder / "faults.json")]
    process = subprocess.Popen(
        [sys.executable, "-m", "o9_assets.sandbox.aws", *options], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    yield process.stdout.readline().strip()
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=30) == 0
    process.stdout.close()


def test_faults_and_calls_over_http(url: str) -> None:
    s3 = boto3.client(
        "s3",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="AKIASANDBOX0SANDBOX0",
        aws_secret_access_key="any",
        config=Config(retries={"total_max_attempts": 1}),
    )
    with pytest.raises(ClientError, match="SlowDown"):
        s3.list_buckets()
    s3.list_buckets()
    assert httpx.get(f"{url}/_sandbox/ready").json() == {"ready": True}
    [rule] = httpx.get(f"{url}/_sandbox/faults").json()
    assert (rule["seen"], rule["done"]) == (2, 1)
    calls = httpx.get(f"{url}/_sandbox/calls", params={"operation": "ListBuckets"}).json()
    assert [(call["status"], call["fault"]) for call in calls] == [(503, "throttle"), (200, None)]
    given = [{"kind": "error", "code": "KMS.DisabledException", "service": "s3", "message": "key is off"}]
    assert httpx.post(f"{url}/_sandbox/faults", json=given).status_code == 200
    with pytest.raises(ClientError, match="key is off"):
        s3.list_buckets()
    assert httpx.post(f"{url}/_sandbox/faults", json=[]).json() == []
    s3.list_buckets()


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ([{"kind": "explode"}], "'explode' is no kind of fault. There are throttle,"),
        ([{"kind": "slow", "secs": 1}], "secs is nothing that a fault has."),
        ([{"kind": "error"}], "A fault of the kind error needs a code."),
        ("nonsense", "no list"),
    ],
)
def test_a_wrong_fault_is_told_and_changes_nothing(url: str, given: object, told: str) -> None:
    answer = httpx.post(f"{url}/_sandbox/faults", json=given)
    assert answer.status_code == 400
    assert told in answer.text
    assert httpx.get(f"{url}/_sandbox/faults").json() == []


def test_a_port_that_is_taken_is_told(url: str, tmp_path: Path) -> None:
    port = url.rpartition(":")[2]
    done = subprocess.run(
        [sys.executable, "-m", "o9_assets.sandbox.aws", "--state", str(tmp_path), "--port", port],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith(f"Port {port} cannot be had: Address already in use")
    assert "Traceback" not in done.stderr


def test_a_presigned_address_needs_no_client(twin: Twin) -> None:
    s3, bucket = boto3.client("s3"), unique("bucket")
    s3.create_bucket(Bucket=bucket)
    put = s3.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "a b"})
    assert httpx.put(put, content=b"content").status_code == 200
    assert (
        httpx.get(s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "a b"})).content
        == b"content"
    )
    assert [call.operation for call in twin.journal.calls()] == ["CreateBucket", "PutObject", "GetObject"]


def test_arrow_reads_and_writes(twin: Twin) -> None:
    bucket = unique("bucket")
    twin.client("s3").create_bucket(Bucket=bucket)
    files = pafs.S3FileSystem(endpoint_override=twin.url, region="us-east-1")
    with files.open_output_stream(f"{bucket}/folder/file") as sink:
        sink.write(b"x" * 6_000_000)
        sink.write(b"y" * 6_000_000)
    with files.open_input_file(f"{bucket}/folder/file") as source:
        assert source.size() == 12_000_000
        assert source.read_at(2, 5_999_999) == b"xy"
    [found] = files.get_file_info(pafs.FileSelector(f"{bucket}/folder"))
    assert found.base_name == "file"


def test_time_is_taken_where_a_call_is_slow(twin: Twin) -> None:
    twin.faults.add("slow", "sqs", seconds=0.2)
    boto3.client("sqs").list_queues()
    [call] = twin.journal.calls()
    assert 0.2 <= call.seconds < 20
