"""What Firehose writes to S3, folders by the hour and objects without line breaks, is a feed like any other."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

import boto3
import pytest

from o9_assets.sandbox.aws import Twin
from o9_assets_tests.aws import unique
from o9_assets_tests.company import SETTINGS
from o9_assets_tests.company_on_aws import CompanyOnAws

pytestmark = pytest.mark.aws

TEXT = SETTINGS.replace('path: "orders/{covers_date:%Y-%m-%d}*"', 'path: "firehose/**"').replace(
    'format: {type: csv, delimiter: ";"}', "format: {type: jsonl, separated_by: nothing}"
)


def line(number: int, quantity: object = 5) -> bytes:
    found = {"order": "O1", "line": number, "item": "a1", "ship_to": "S1", "date": "2025-01-06", "qty": quantity}
    return json.dumps(found).encode()


@pytest.fixture
def company(twin: Twin, tmp_path: Path) -> CompanyOnAws:
    return CompanyOnAws(tmp_path, TEXT)


def test_a_delivery_stream_writes_into_the_landing_zone(company: CompanyOnAws) -> None:
    firehose, name = boto3.client("firehose"), unique("orders")
    firehose.create_delivery_stream(
        DeliveryStreamName=name,
        ExtendedS3DestinationConfiguration={
            "RoleARN": "arn:aws:iam::123456789012:role/firehose",
            "BucketARN": f"arn:aws:s3:::{company.bucket}",
            "Prefix": "landing/firehose/",
        },
    )
    firehose.put_record_batch(DeliveryStreamName=name, Records=[{"Data": line(1)}, {"Data": line(2)}])
    firehose.put_record_batch(DeliveryStreamName=name, Records=[{"Data": line(3)}, {"Data": line(4, "many")}])
    report = company.ingest()
    assert (report.objects, report.landed_rows, report.accepted_rows, report.quarantined_rows) == (2, 4, 3, 1)
    names = {str(row["object_name"]) for row in company.manifest()}
    assert all(re.match(r"firehose/\d{4}/\d{2}/\d{2}/\d{2}/" + name, found) for found in names)
    assert company.ingest().objects == 0


def test_compressed_objects_and_records_that_are_no_json(company: CompanyOnAws) -> None:
    body = line(1) + b'{"order": "O2", "line": ' + b"\n" + line(2) + b"[1]" + line(3)
    company.put("firehose/2025/01/06/10/orders-1.gz", gzip.compress(body))
    report = company.ingest()
    assert (report.landed_rows, report.accepted_rows, report.quarantined_rows) == (5, 3, 2)
    assert [(row["line"], row["reason"], row["original_text"]) for row in company.quarantine()] == [
        (2, "not_json", '{"order": "O2", "line":'),
        (4, "not_json", "[1]"),
    ]
