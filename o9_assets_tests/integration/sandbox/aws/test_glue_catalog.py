"""The catalog's optimistic lock: whoever commits to an Iceberg table at once, no commit is lost."""

from __future__ import annotations

import multiprocessing
from typing import Any

import boto3
import pyarrow as pa
import pytest

from o9_assets.sandbox.aws import Twin
from o9_assets_tests.aws import unique

pytestmark = pytest.mark.aws

WRITERS, COMMITS = 3, 3


def catalog(url: str, warehouse: str) -> Any:
    from pyiceberg.catalog.glue import GlueCatalog

    return GlueCatalog("lake", None, **{"warehouse": warehouse, "glue.endpoint": url, "s3.endpoint": url})


def rows(writer: int, commit: int) -> pa.Table:
    return pa.table({"writer": pa.array([writer], pa.int64()), "commit": pa.array([commit], pa.int64())})


@pytest.fixture
def name(twin: Twin) -> tuple[str, str]:
    """An empty table in a database of its own."""
    bucket, database = unique("lake"), unique("raw").replace("-", "_")
    twin.client("s3").create_bucket(Bucket=bucket)
    lake = catalog(twin.url, f"s3://{bucket}/lake")
    lake.create_namespace(database)
    lake.create_table((database, "orders"), rows(0, 0).schema)
    return database, bucket


def append(url: str, database: str, bucket: str, writer: int, start: Any) -> None:
    """Append one row a commit; a lost race is gone through again, from the table as it is now."""
    from pyiceberg.exceptions import CommitFailedException

    table = catalog(url, f"s3://{bucket}/lake").load_table((database, "orders"))
    start.wait(timeout=60)
    for commit in range(COMMITS):
        while True:
            try:
                table.append(rows(writer, commit))
                break
            except CommitFailedException:
                table = table.refresh()


def test_many_processes_append_to_one_table_and_no_commit_is_lost(twin: Twin, name: tuple[str, str]) -> None:
    database, bucket = name
    spawn = multiprocessing.get_context("spawn")
    start = spawn.Barrier(WRITERS)
    writers = [spawn.Process(target=append, args=(twin.url, database, bucket, n, start)) for n in range(WRITERS)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(timeout=120)
    assert [writer.exitcode for writer in writers] == [0] * WRITERS
    found = catalog(twin.url, f"s3://{bucket}/lake").load_table((database, "orders")).scan().to_arrow().to_pylist()
    assert sorted((row["writer"], row["commit"]) for row in found) == [
        (writer, commit) for writer in range(WRITERS) for commit in range(COMMITS)
    ]
    refused = [call for call in twin.journal.calls("glue", "UpdateTable") if call.status == 400]
    assert refused, "the writers never met, so that this test proved nothing"


def test_a_commit_on_an_old_version_is_refused_and_leaves_the_table_as_it_is(twin: Twin, name: tuple[str, str]) -> None:
    database, bucket = name
    glue = boto3.client("glue")
    seen = glue.get_table(DatabaseName=database, Name="orders")["Table"]["VersionId"]
    table = catalog(twin.url, f"s3://{bucket}/lake").load_table((database, "orders"))
    table.append(rows(1, 1))
    now = glue.get_table(DatabaseName=database, Name="orders")["Table"]
    assert int(now["VersionId"]) == int(seen) + 1
    with pytest.raises(glue.exceptions.ConcurrentModificationException, match=f"at version {now['VersionId']}"):
        glue.update_table(
            DatabaseName=database, TableInput={"Name": "orders", "Parameters": {}}, VersionId=seen, SkipArchive=True
        )
    assert glue.get_table(DatabaseName=database, Name="orders")["Table"] == now
    assert table.refresh().scan().to_arrow().to_pylist() == [{"writer": 1, "commit": 1}]


def test_versions_are_kept_unless_the_archive_is_skipped(twin: Twin) -> None:
    glue, database = boto3.client("glue"), unique("raw").replace("-", "_")
    glue.create_database(DatabaseInput={"Name": database})
    glue.create_table(DatabaseName=database, TableInput={"Name": "t", "Description": "first"})

    def versions() -> list[str]:
        found = glue.get_table_versions(DatabaseName=database, TableName="t")["TableVersions"]
        return sorted(str(version["VersionId"]) for version in found)

    glue.update_table(DatabaseName=database, TableInput={"Name": "t", "Description": "second"})
    assert versions() == ["1", "2"]
    glue.update_table(DatabaseName=database, TableInput={"Name": "t", "Description": "third"}, SkipArchive=True)
    assert versions() == ["1", "3"]
    assert glue.get_table(DatabaseName=database, Name="t")["Table"]["Description"] == "third"
    with pytest.raises(glue.exceptions.EntityNotFoundException, match="nothing"):
        glue.update_table(DatabaseName=database, TableInput={"Name": "nothing"})
