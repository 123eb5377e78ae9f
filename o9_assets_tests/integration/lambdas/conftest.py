"""What the handlers need: settings that forward events, buckets in the twin, an o9 that is served."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from o9_assets.sandbox.aws import Twin
from o9_assets_tests.aws import unique
from o9_assets_tests.company import SETTINGS
from o9_assets_tests.served_o9 import ServedO9, serve_o9
from o9_assets_tests.streams import STREAM

PROFILE = """
based_on: platform
name: test
batch_size: 2
retry: {patience_seconds: 0, first_pause_seconds: 0.01, longest_pause_seconds: 0.01}
"""


@dataclass
class Place:
    """Where handlers run."""

    home: Path
    twin: Twin
    o9: ServedO9
    environment: dict[str, str]

    def objects(self, variable: str) -> dict[str, bytes]:
        """Names and contents below the place that a variable names."""
        bucket, _, prefix = self.environment[variable].removeprefix("s3://").partition("/")
        client = self.twin.client("s3")
        found = client.list_objects_v2(Bucket=bucket, Prefix=prefix + "/").get("Contents", [])
        return {
            one["Key"].removeprefix(prefix + "/"): client.get_object(Bucket=bucket, Key=one["Key"])["Body"].read()
            for one in found
        }

    def held(self, group: str = "DemandEvents") -> dict[str, Decimal]:
        """What o9 holds: quantity by event, or by item."""
        rows = [
            json.loads(text, parse_float=Decimal, parse_int=Decimal)
            for *_, text in self.o9.store.facts(group, size=9999)
        ]
        name, measure = ("Event.[Event Id]", "Event Quantity") if group == "DemandEvents" else ("Item.[Item]", "Orders")
        return {row[name]: row[measure] for row in rows}


@pytest.fixture
def place(twin: Twin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    (tmp_path / "profile.yaml").write_text(PROFILE)
    names = f"  profile: {tmp_path / 'profile.yaml'}\n  streaming: {{}}\n  measures: {{orders"
    (tmp_path / "planning.yaml").write_text(SETTINGS.replace("  measures: {orders", names) + STREAM)
    bucket = unique("bucket")
    twin.client("s3").create_bucket(Bucket=bucket)
    with serve_o9(tmp_path / "o9.db") as o9:
        environment = {
            **twin.environment(),
            "O9_PLANNING": str(tmp_path / "planning.yaml"),
            "O9_BASE_URL": o9.url,
            "O9_API_KEY": "sandbox",
            "O9_LANDING_ZONE": f"s3://{bucket}/landing",
            "O9_DEAD_LETTERS": f"s3://{bucket}/dead",
            "O9_RECEIPTS": f"s3://{bucket}/receipts",
        }
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        yield Place(tmp_path, twin, o9, environment)


def kinesis_event(*records: tuple[str, bytes], first: int = 1, at: float | None = None) -> dict[str, Any]:
    """What Lambda gets from a Kinesis trigger: key and payload of each record, numbered from `first`."""
    return {
        "Records": [
            {
                "kinesis": {
                    "kinesisSchemaVersion": "1.0",
                    "partitionKey": key,
                    "sequenceNumber": str(4950000000 + first + n),
                    "data": base64.b64encode(data).decode(),
                    "approximateArrivalTimestamp": at or time.time(),
                },
                "eventSource": "aws:kinesis",
                "eventVersion": "1.0",
                "eventID": f"shardId-000000000000:{4950000000 + first + n}",
                "eventName": "aws:kinesis:record",
                "invokeIdentityArn": "arn:aws:iam::123456789012:role/any",
                "awsRegion": "us-east-1",
                "eventSourceARN": "arn:aws:kinesis:us-east-1:123456789012:stream/demand",
            }
            for n, (key, data) in enumerate(records)
        ]
    }


def s3_event(bucket: str, *objects: tuple[str, str, int]) -> dict[str, Any]:
    """What Lambda gets from S3: key as S3 writes it, ETag and size of each object."""
    return {
        "Records": [
            {
                "eventVersion": "2.1",
                "eventSource": "aws:s3",
                "eventName": "ObjectCreated:Put",
                "s3": {
                    "s3SchemaVersion": "1.0",
                    "bucket": {"name": bucket, "arn": f"arn:aws:s3:::{bucket}"},
                    "object": {"key": key, "size": size, "eTag": etag, "sequencer": "0A"},
                },
            }
            for key, etag, size in objects
        ]
    }


def sequences(answer: dict[str, Any]) -> Sequence[int]:
    """Numbers of the records that are to be tried again."""
    return [int(one["itemIdentifier"]) - 4950000000 for one in answer["batchItemFailures"]]
