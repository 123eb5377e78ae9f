"""The lake on S3 and Glue: what holds in a folder holds there, whatever the network and other writers do."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from o9_assets.resources import aws
from o9_assets.resources.aws import Buckets
from o9_assets.resources.lake import Lake, SnapshotGone, equal, everything, isin
from o9_assets.resources.lake.s3 import S3FileIO
from o9_assets.sandbox.aws import Twin
from o9_assets_tests.aws import unique
from o9_assets_tests.integration.resources.test_lake import CELLS, FEBRUARY, FLAT, keys, rows

pytestmark = pytest.mark.aws


@pytest.fixture
def bucket(twin: Twin) -> str:
    name = unique("lake")
    twin.client("s3").create_bucket(Bucket=name)
    return name


@pytest.fixture
def lake(bucket: str) -> Lake:
    return open_lake(bucket)


def open_lake(bucket: str, buckets: Buckets | None = None) -> Lake:
    return Lake.glue(f"s3://{bucket}/lake", database_prefix=f"{bucket.replace('-', '_')}_", buckets=buckets)


def test_slices_are_replaced_and_the_past_stays_readable(lake: Lake) -> None:
    lake.append(CELLS, pa.concat_tables([rows(1, 2, quantity="-12345678901234.5678"), rows(3, month=FEBRUARY)]))
    lake.tag(CELLS, "cycle-1")
    before = datetime.now(UTC).replace(tzinfo=None)
    done = lake.overwrite(CELLS, rows(2, 5, label="a'b"), isin("key", [2]), marks={"seq": "7"})
    assert (done.rows_added, done.rows_removed) == (2, 1)
    assert keys(lake) == [1, 2, 3, 5]
    assert keys(lake, where=equal("month", FEBRUARY)) == [3]
    assert keys(lake, columns=["key"], as_of=before) == [1, 2, 3]
    assert keys(lake, tag="cycle-1") == [1, 2, 3]
    assert lake.marks(CELLS)["seq"] == "7"
    assert lake.row_count(CELLS) == 4


def test_maintenance_makes_small_files_one_and_removes_what_nobody_needs(lake: Lake, bucket: str, twin: Twin) -> None:
    for key in range(5):
        lake.overwrite(FLAT, rows(key), equal("key", key))
    first = lake.read(FLAT).sort_by("key")
    prefix = f"lake/{bucket.replace('-', '_')}_curated/flat/data/"
    twin.client("s3").put_object(Bucket=bucket, Key=f"{prefix}orphan.parquet", Body=b"left by a killed writer")
    twin.client("s3").put_object(Bucket=bucket, Key=prefix, Body=b"")
    moment = datetime.now(UTC).replace(tzinfo=None)
    report = lake.maintain(FLAT, now=moment + timedelta(seconds=2), keep_for=timedelta(0), orphan_age=timedelta(0))
    assert (report.files_compacted, report.files_written) == (5, 1)
    assert report.files_removed >= 6
    left = twin.client("s3").list_objects_v2(Bucket=bucket, Prefix=prefix)["Contents"]
    assert len([entry for entry in left if entry["Size"]]) == 1
    assert lake.read(FLAT).sort_by("key") == first
    with pytest.raises(SnapshotGone, match="was expired"):
        lake.read(FLAT, as_of=moment - timedelta(milliseconds=100))


WRITER = """
import sys
from o9_assets.resources.lake import isin
from o9_assets_tests.integration.resources.test_lake import CELLS, rows
from o9_assets_tests.integration.resources.test_lake_on_s3 import open_lake
lake, who = open_lake(sys.argv[1]), int(sys.argv[2])
for turn in range(2):
    lake.overwrite(CELLS, rows(who * 10 + turn, label=str(who)), isin("key", [who * 10 + turn]))
    lake.overwrite(CELLS, rows(7777, label=str(who)), isin("key", [7777]))
"""


@pytest.mark.faults
def test_many_processes_lose_no_commit_and_leave_one_row_of_a_shared_slice(lake: Lake, bucket: str) -> None:
    running = [subprocess.Popen([sys.executable, "-c", WRITER, bucket, str(n)]) for n in range(4)]
    assert [process.wait(300) for process in running] == [0] * 4
    assert keys(lake) == [*sorted(who * 10 + turn for who in range(4) for turn in range(2)), 7777]


@pytest.mark.faults
def test_a_commit_whose_answer_was_lost_is_in_once_and_can_be_read(lake: Lake, twin: Twin) -> None:
    lake.append(CELLS, rows(1))
    lost = twin.faults.add("lose_answer", "glue", "UpdateTable", first=1)
    lake.append(CELLS, rows(2))
    assert lost.done == 1
    assert keys(lake) == [1, 2]


@pytest.mark.faults
def test_a_file_whose_answer_was_lost_is_written_once(lake: Lake, twin: Twin) -> None:
    lake.append(CELLS, rows(1))
    lost = twin.faults.add("lose_answer", "s3", "PutObject", every=2)
    lake.append(CELLS, rows(2))
    assert lost.done > 0
    twin.faults.clear()
    assert keys(lake) == [1, 2]


@pytest.mark.faults
@pytest.mark.parametrize("kind", ["throttle", "error500", "reset", "truncate"])
def test_every_third_call_to_s3_goes_wrong_and_nothing_is_lost(lake: Lake, twin: Twin, kind: str) -> None:
    fault = twin.faults.add(kind, "s3", every=3)  # type: ignore[arg-type]
    lake.append(CELLS, rows(1))
    lake.overwrite(CELLS, rows(2), equal("key", 1))
    assert keys(lake) == [2]
    assert fault.done > 2


@pytest.mark.faults
@pytest.mark.parametrize("kind", ["throttle", "error500", "reset"])
def test_every_third_call_to_glue_goes_wrong_and_nothing_is_lost(lake: Lake, twin: Twin, kind: str) -> None:
    fault = twin.faults.add(kind, "glue", every=3)  # type: ignore[arg-type]
    for key in (1, 2):
        lake.overwrite(CELLS, rows(key), equal("key", key))
    assert keys(lake) == [1, 2]
    assert fault.done > 0


@pytest.mark.faults
def test_throttling_that_does_not_end_is_a_passing_failure(
    lake: Lake, twin: Twin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aws, "ATTEMPTS", 2)
    twin.faults.add("throttle", "glue", "GetTable")
    with pytest.raises(aws.Throttled, match="glue:GetTable"):
        lake.append(CELLS, rows(1))


@pytest.mark.faults
def test_a_bucket_of_another_account_is_neither_written_nor_read(lake: Lake, bucket: str) -> None:
    lake.append(CELLS, rows(1))
    other = open_lake(bucket, Buckets(owner="999999999999"))
    with pytest.raises(aws.Denied, match=f"s3:GetObject on arn:aws:s3:::{bucket}/lake"):
        other.read(CELLS)
    with pytest.raises(aws.Denied, match=f"s3:PutObject on arn:aws:s3:::{bucket}/lake"):
        other.append(FLAT, rows(1))
    ours = open_lake(bucket, Buckets(owner="123456789012"))
    assert keys(ours) == [1]


@pytest.mark.parametrize(("kms_key", "expected"), [(None, ("AES256", None)), ("alias/lake", ("aws:kms", "alias/lake"))])
def test_everything_is_written_encrypted(
    bucket: str, twin: Twin, kms_key: str | None, expected: tuple[str, str | None]
) -> None:
    open_lake(bucket, Buckets(kms_key=kms_key)).append(CELLS, rows(1))
    s3 = twin.client("s3")
    for entry in s3.list_objects_v2(Bucket=bucket)["Contents"]:
        head = s3.head_object(Bucket=bucket, Key=entry["Key"])
        assert (head["ServerSideEncryption"], head.get("SSEKMSKeyId")) == expected, entry["Key"]


def test_a_file_that_is_there_is_never_written_over(bucket: str, twin: Twin) -> None:
    io = S3FileIO({})
    location = f"s3://{bucket}/lake/metadata/00001.metadata.json"
    with io.new_output(location).create() as sink:
        sink.write(b"one")
    with pytest.raises(FileExistsError), io.new_output(location).create() as sink:
        sink.write(b"two")
    assert io.new_input(location).open().read() == b"one"


@pytest.mark.faults
def test_what_breaks_off_is_not_written(bucket: str) -> None:
    io = S3FileIO({})
    location = f"s3://{bucket}/lake/metadata/half.avro"
    with pytest.raises(ZeroDivisionError), io.new_output(location).create() as sink:
        sink.write(b"half")
        1 / 0  # noqa: B018
    assert not io.new_input(location).exists()


def test_nothing_but_a_bucket_is_a_place_for_the_lake(twin: Twin) -> None:
    with pytest.raises(aws.Permanent, match="O9_LAKE"):
        Lake.glue("/tmp/lake").overwrite(CELLS, rows(1), everything())  # noqa: S108
