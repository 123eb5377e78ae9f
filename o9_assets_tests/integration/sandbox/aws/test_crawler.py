"""A crawler makes tables of what lies in S3, and keeps them true when that changes."""

from __future__ import annotations

import gzip
import io
from datetime import date
from typing import Any

import boto3
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from o9_assets.sandbox.aws import Twin
from o9_assets_tests.aws import eventually, unique

pytestmark = pytest.mark.aws


def parquet(**columns: Any) -> bytes:
    content = io.BytesIO()
    pq.write_table(pa.table(columns), content)
    return content.getvalue()


class Zone:
    """A bucket, a database and a crawler over it."""

    def __init__(self) -> None:
        self.s3, self.glue = boto3.client("s3"), boto3.client("glue")
        self.bucket, self.database = unique("zone"), unique("raw").replace("-", "_")
        self.crawler = unique("crawler")
        self.s3.create_bucket(Bucket=self.bucket)

    def put(self, **files: bytes) -> None:
        for key, content in files.items():
            self.s3.put_object(Bucket=self.bucket, Key=key, Body=content)

    def over(self, path: str, **settings: Any) -> None:
        self.glue.create_crawler(
            Name=self.crawler,
            Role="arn:aws:iam::123456789012:role/any",
            DatabaseName=self.database,
            Targets={"S3Targets": [{"Path": f"s3://{self.bucket}/{path}"}]},
            **settings,
        )

    def crawl(self) -> dict[str, Any]:
        """Crawl once; how it went."""
        self.glue.start_crawler(Name=self.crawler)
        eventually(lambda: self.glue.get_crawler(Name=self.crawler)["Crawler"]["State"] == "READY")
        return dict(self.glue.get_crawler(Name=self.crawler)["Crawler"]["LastCrawl"])

    def tables(self) -> dict[str, dict[str, Any]]:
        found = self.glue.get_tables(DatabaseName=self.database)["TableList"]
        return {table["Name"]: table for table in found}

    def columns(self, table: str) -> dict[str, str]:
        found = self.tables()[table]["StorageDescriptor"]["Columns"]
        return {column["Name"]: column["Type"] for column in found}


@pytest.fixture
def zone(twin: Twin) -> Zone:
    return Zone()


def test_every_folder_is_a_table_with_its_format_and_columns(zone: Zone) -> None:
    zone.put(
        **{
            "erp/orders/2026-11-01.csv": b"Order Id;quantity;price;note\n1;2;3.50;x\n2;;4.00;\n",
            "erp/items/part-0.parquet": parquet(item_id=["a"], listed=[date(2026, 1, 1)], pieces=[1], weight=[0.5]),
            "erp/events/1.json.gz": gzip.compress(
                b'{"id": 1, "at": "2026-11-01", "lines": [{"n": 1}]}\n{"id": 2.5, "ok": true}\n'
            ),
            "erp/_SUCCESS": b"x",
            "erp/empty/": b"",
        }
    )
    zone.over("erp/", TablePrefix="raw_")
    assert zone.crawl()["Status"] == "SUCCEEDED"
    assert sorted(zone.tables()) == ["raw_events", "raw_items", "raw_orders"]
    assert zone.columns("raw_orders") == {
        "order_id": "bigint",
        "quantity": "bigint",
        "price": "double",
        "note": "string",
    }
    assert zone.columns("raw_items") == {"item_id": "string", "listed": "date", "pieces": "bigint", "weight": "double"}
    assert zone.columns("raw_events") == {
        "id": "double",
        "at": "string",
        "lines": "array<struct<n:bigint>>",
        "ok": "boolean",
    }
    orders = zone.tables()["raw_orders"]
    assert orders["StorageDescriptor"]["Location"] == f"s3://{zone.bucket}/erp/orders/"
    told = {
        k: orders["Parameters"][k] for k in ("classification", "delimiter", "skip.header.line.count", "objectCount")
    }
    assert told == {"classification": "csv", "delimiter": ";", "skip.header.line.count": "1", "objectCount": "1"}


def test_key_value_folders_are_partitions_and_new_ones_are_added(zone: Zone) -> None:
    zone.put(**{"sales/year=2026/month=10/a.parquet": parquet(units=[1])})
    zone.put(**{"sales/year=2026/month=11/a.parquet": parquet(units=[2])})
    zone.over("sales")
    zone.crawl()
    zone.put(**{"sales/year=2026/month=12/a.parquet": parquet(units=[3], returns=[0])})
    zone.crawl()
    assert [key["Name"] for key in zone.tables()["sales"]["PartitionKeys"]] == ["year", "month"]
    assert zone.columns("sales") == {"units": "bigint", "returns": "bigint"}
    found = zone.glue.get_partitions(DatabaseName=zone.database, TableName="sales", Expression="month > '10'")
    assert sorted(tuple(p["Values"]) for p in found["Partitions"]) == [("2026", "11"), ("2026", "12")]
    assert {p["StorageDescriptor"]["Location"] for p in found["Partitions"]} == {
        f"s3://{zone.bucket}/sales/year=2026/month=11/",
        f"s3://{zone.bucket}/sales/year=2026/month=12/",
    }
    [metrics] = zone.glue.get_crawler_metrics(CrawlerNameList=[zone.crawler])["CrawlerMetricsList"]
    assert (metrics["TablesCreated"], metrics["TablesUpdated"]) == (0, 1)


def test_folders_of_one_schema_are_one_table(zone: Zone) -> None:
    zone.put(**{"stock/de/a.csv": b"item,units\na,1\n", "stock/fr/a.csv": b"item,units\nb,2\n"})
    zone.over("stock/")
    zone.crawl()
    [(name, table)] = zone.tables().items()
    assert (name, [key["Name"] for key in table["PartitionKeys"]]) == ("stock", ["partition_0"])


def test_files_without_a_header_get_numbered_columns(zone: Zone) -> None:
    zone.put(**{"dms/LOAD00000001.csv": b"I,1,a\nU,2,b\n"})
    zone.over("dms/")
    zone.crawl()
    assert zone.columns("dms") == {"col0": "string", "col1": "bigint", "col2": "string"}


@pytest.mark.parametrize(
    ("behavior", "left"),
    [("DELETE_FROM_DATABASE", []), ("DEPRECATE_IN_DATABASE", ["DEPRECATED_BY_CRAWLER"]), ("LOG", [])],
)
def test_what_is_gone_is_treated_as_the_policy_says(zone: Zone, behavior: str, left: list[str]) -> None:
    zone.put(**{"erp/orders/a.csv": b"id,n\n1,2\n", "erp/items/a.csv": b"item,m\na,2.5\n"})
    zone.over("erp/", SchemaChangePolicy={"DeleteBehavior": behavior})
    zone.crawl()
    zone.s3.delete_object(Bucket=zone.bucket, Key="erp/orders/a.csv")
    zone.crawl()
    tables = zone.tables()
    assert ("orders" in tables) == (behavior != "DELETE_FROM_DATABASE")
    if "orders" in tables:
        assert [name for name in tables["orders"]["Parameters"] if name.startswith("DEPRECATED")] == left


@pytest.mark.faults
def test_a_crawl_that_fails_says_why_and_makes_nothing(zone: Zone) -> None:
    zone.put(**{"erp/orders/a.bin": b"\xff\xfe\x00\x01"})
    zone.over("erp/")
    last = zone.crawl()
    assert last["Status"] == "FAILED"
    assert "neither Parquet nor UTF-8" in last["ErrorMessage"]
    with pytest.raises(zone.glue.exceptions.EntityNotFoundException):
        zone.tables()


@pytest.mark.faults
def test_what_a_crawler_cannot_do_is_refused(zone: Zone) -> None:
    with pytest.raises(
        zone.glue.exceptions.InvalidInputException, match="NotEmulated: crawler targets of the kind Jdbc"
    ):
        zone.glue.create_crawler(
            Name="c", Role="r", DatabaseName="d", Targets={"JdbcTargets": [{"ConnectionName": "c", "Path": "p"}]}
        )
    with pytest.raises(zone.glue.exceptions.EntityNotFoundException):
        zone.glue.start_crawler(Name="nothing")
