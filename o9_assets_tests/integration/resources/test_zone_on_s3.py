"""The landing zone on S3: the listed version or nothing, whatever happens between a listing and a read."""

import hashlib
import json
import os
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from o9_assets.failures import Passing
from o9_assets.resources import aws
from o9_assets.resources.aws import Buckets
from o9_assets.resources.landing_zone import LandedObject, ObjectChanged, S3Zone, Spooled
from o9_assets.sandbox.aws import Twin
from o9_assets_tests.aws import unique
from o9_assets_tests.company_on_aws import CompanyOnAws

pytestmark = [pytest.mark.aws, pytest.mark.faults]


@pytest.fixture
def bucket(twin: Twin) -> str:
    name = unique("zone")
    twin.client("s3").create_bucket(Bucket=name)
    return name


@pytest.fixture
def zone(bucket: str) -> S3Zone:
    return S3Zone(bucket, "zone", aws.s3())


@pytest.fixture
def keeps_versions(bucket: str, twin: Twin) -> None:
    twin.client("s3").put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})


def one(zone: S3Zone, name: str = "a.csv") -> LandedObject:
    return next(found for found in zone.list(name) if found.name == name)


@pytest.mark.usefixtures("keeps_versions")
def test_where_the_bucket_keeps_versions_the_listed_one_is_read_though_another_came(
    zone: S3Zone, tmp_path: Path
) -> None:
    zone.put("a.csv", b"first")
    listed = one(zone)
    zone.put("a.csv", b"second")
    assert zone.spool(listed, tmp_path).path.read_bytes() == b"first"
    assert zone.spool(one(zone), tmp_path).path.read_bytes() == b"second"


@pytest.mark.usefixtures("keeps_versions")
def test_what_was_deleted_is_not_read_though_its_version_is_kept(
    zone: S3Zone, bucket: str, twin: Twin, tmp_path: Path
) -> None:
    zone.put("a.csv", b"first")
    listed = one(zone)
    twin.client("s3").delete_object(Bucket=bucket, Key="zone/a.csv")
    with pytest.raises(ObjectChanged):
        zone.spool(listed, tmp_path)


def test_the_same_content_stays_the_same_version_and_is_not_written_again(zone: S3Zone, twin: Twin) -> None:
    zone.put("a.csv", b"one")
    first = one(zone)
    twin.journal.clear()
    zone.put("a.csv", b"one")
    assert one(zone) == first
    assert "PutObject" not in {call["operation"] for call in twin.journal.told()}


def test_an_object_in_parts_has_a_version_of_its_own_and_is_read(
    zone: S3Zone, bucket: str, twin: Twin, tmp_path: Path
) -> None:
    s3, content = twin.client("s3"), os.urandom((5 << 20) + 7)
    upload = s3.create_multipart_upload(Bucket=bucket, Key="zone/a.csv")["UploadId"]
    parts = []
    for number, part in enumerate((content[: 5 << 20], content[5 << 20 :]), start=1):
        done = s3.upload_part(Bucket=bucket, Key="zone/a.csv", PartNumber=number, UploadId=upload, Body=part)
        parts.append({"ETag": done["ETag"], "PartNumber": number})
    s3.complete_multipart_upload(Bucket=bucket, Key="zone/a.csv", UploadId=upload, MultipartUpload={"Parts": parts})
    found = one(zone)
    assert found.version.endswith("-2")
    assert zone.spool(found, tmp_path).sha256 == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("kind", ["throttle", "error500", "reset", "truncate"])
def test_a_read_that_goes_wrong_is_taken_up_again(zone: S3Zone, twin: Twin, tmp_path: Path, kind: str) -> None:
    content = os.urandom(300_000)
    zone.put("a.csv", content)
    listed = one(zone)
    fault = twin.faults.add(kind, "s3", "GetObject", first=2)  # type: ignore[arg-type]
    assert zone.spool(listed, tmp_path).sha256 == hashlib.sha256(content).hexdigest()
    assert fault.done == 2


def test_a_body_that_is_always_cut_is_never_taken_for_whole(zone: S3Zone, twin: Twin, tmp_path: Path) -> None:
    zone.put("a.csv", b"x" * 100_000)
    listed = one(zone)
    twin.faults.add("truncate", "s3", "GetObject")
    with pytest.raises(Passing, match="of 100,000 bytes"):
        zone.spool(listed, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["throttle", "error500", "reset", "lose_answer"])
def test_a_write_that_goes_wrong_is_done_once(zone: S3Zone, twin: Twin, kind: str) -> None:
    twin.faults.add(kind, "s3", "PutObject", first=1)  # type: ignore[arg-type]
    zone.put("a.csv", b"one")
    assert one(zone).version == hashlib.md5(b"one", usedforsecurity=False).hexdigest()


def test_many_small_objects_come_in_order_and_the_changed_one_with_its_error(zone: S3Zone, tmp_path: Path) -> None:
    for n in range(40):
        zone.put(f"{n:02d}.csv", str(n).encode())
    listed = list(zone.list())
    zone.put("07.csv", b"another")
    came = list(zone.spool_all(listed, tmp_path))
    assert [found for found, _ in came] == listed
    assert [found.name for found, spooled in came if isinstance(spooled, ObjectChanged)] == ["07.csv"]
    texts = [spooled.path.read_text() for _, spooled in came if isinstance(spooled, Spooled)]
    assert texts == [str(n) for n in range(40) if n != 7]


def test_a_bucket_that_is_not_there_or_another_s_says_so(zone: S3Zone, bucket: str) -> None:
    with pytest.raises(aws.Permanent, match="There is no bucket nowhere-at-all"):
        list(S3Zone("nowhere-at-all", "zone", aws.s3()).list())
    stranger = S3Zone(bucket, "zone", aws.s3(Buckets(owner="999999999999")))
    with pytest.raises(aws.Denied, match=f"denies s3:ListBucket on arn:aws:s3:::{bucket}/zone"):
        list(stranger.list())


def test_an_ingest_in_which_every_fifth_call_goes_wrong_takes_in_every_row_once(twin: Twin, tmp_path: Path) -> None:
    company = CompanyOnAws(tmp_path)
    for day in range(1, 9):
        company.orders("O1;1;a1;S1;2025-01-06;5;2.50", "O2;1;a1;S1;2025-01-06;bad;1", day=f"2025-01-{day:02d}")
    for kind in ("throttle", "error500", "reset", "truncate"):
        twin.faults.add(kind, "s3", every=20)
    report = company.ingest()
    assert (report.objects, report.accepted_rows, report.quarantined_rows) == (8, 8, 8)
    twin.faults.clear()
    assert [row["object_name"] for row in company.raw()] == [f"orders/2025-01-{day:02d}.csv" for day in range(1, 9)]
    assert company.ingest().objects == 0


# Credentials


def test_credentials_that_ran_out_and_cannot_be_renewed_say_so(zone: S3Zone, twin: Twin) -> None:
    twin.faults.add("expired_token", "s3")
    with pytest.raises(aws.NoCredentials, match=r"ExpiredToken.*cannot be renewed here"):
        list(zone.list())


def test_credentials_that_are_renewed_while_a_run_goes_on(
    twin: Twin, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process gives keys that are about to run out; each new call that finds them so asks it again."""
    count, script, config = tmp_path / "count", tmp_path / "give.py", tmp_path / "config"
    given = {name: os.environ[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
    soon = (datetime.now(UTC) + timedelta(seconds=1)).isoformat()
    answer = {"Version": 1, "AccessKeyId": given["AWS_ACCESS_KEY_ID"], "Expiration": soon}
    answer["SecretAccessKey"] = given["AWS_SECRET_ACCESS_KEY"]
    later = json.dumps({**answer, "Expiration": (datetime.now(UTC) + timedelta(hours=6)).isoformat()})
    script.write_text(
        f"from pathlib import Path\ncount = Path({str(count)!r})\n"
        "count.write_text((count.read_text() if count.exists() else '') + 'x')\n"
        f"print({later!r} if len(count.read_text()) > 1 else {json.dumps(answer)!r})\n"
    )
    config.write_text(f'[default]\ncredential_process = "{sys.executable}" "{script}"\n')
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    for name in given:
        monkeypatch.delenv(name)
    zone = S3Zone(bucket, "zone", aws.s3())
    zone.put("a.csv", b"one")
    time.sleep(1.1)  # the first keys have run out
    assert one(zone).size_bytes == 3
    assert len(count.read_text()) == 2


def test_no_credentials_at_all_say_so(bucket: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    with pytest.raises(aws.NoCredentials, match="Give the run a role"):
        list(S3Zone(bucket, "zone", aws.s3()).list())


def test_where_versioning_is_suspended_a_read_that_is_taken_up_again_never_mixes_two_contents(
    zone: S3Zone, bucket: str, twin: Twin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3 = twin.client("s3")
    for status in ("Enabled", "Suspended"):
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": status})
    zone.put("a.csv", b"a" * 100_000)
    listed, get = one(zone), zone._get

    def replaced_meanwhile(found: LandedObject, start: int, version_id: str | None) -> Any:
        if start:
            s3.put_object(Bucket=bucket, Key="zone/a.csv", Body=b"b" * 100_000)
        # S3 names the version that such a bucket overwrites `null`; the twin leaves that out.
        return {"VersionId": "null", **get(found, start, version_id)}

    monkeypatch.setattr(zone, "_get", replaced_meanwhile)
    twin.faults.add("truncate", "s3", "GetObject", first=1)
    with pytest.raises(ObjectChanged):
        zone.spool(listed, tmp_path)
