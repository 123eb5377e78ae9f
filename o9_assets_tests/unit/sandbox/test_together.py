"""What the sandbox's parts do on their own."""

from __future__ import annotations

import shlex

import boto3
import pytest

from o9_assets.sandbox.aws import Twin
from o9_assets.sandbox.together import exports, s3_drop
from o9_assets_tests.aws import unique


def test_variables_come_back_from_a_shell_as_they_were() -> None:
    given = {"A": "plain", "B": "two\nlines and 'quotes'", "C": ""}
    words = [word for word in shlex.split(exports(given)) if word != "export"]
    assert dict(word.split("=", 1) for word in words) == given


@pytest.mark.aws
def test_a_file_dropped_again_with_the_same_content_is_no_new_version(twin: Twin) -> None:
    s3, bucket = boto3.client("s3"), unique("landing")
    s3.create_bucket(Bucket=bucket)
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    drop = s3_drop(s3, bucket, "landing")
    for content in (b"one", b"one", b"two"):
        drop("o9/outbound/plan.csv", content)
    versions = s3.list_object_versions(Bucket=bucket)["Versions"]
    assert [(v["Key"], v["IsLatest"]) for v in versions] == [
        ("landing/o9/outbound/plan.csv", True),
        ("landing/o9/outbound/plan.csv", False),
    ]
    assert s3.get_object(Bucket=bucket, Key="landing/o9/outbound/plan.csv")["Body"].read() == b"two"
