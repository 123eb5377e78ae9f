"""A landing zone shows settled objects by name, reads the listed version or nothing, and lets no name lead out."""

import os
import time
from pathlib import Path

import pytest

from o9_assets.resources.landing_zone import BadName, FolderZone, LandingZone, ObjectChanged, S3Zone


@pytest.fixture
def folder(tmp_path: Path) -> FolderZone:
    return FolderZone(tmp_path / "zone", settle_seconds=0)


def names(zone: LandingZone, prefix: str = "", start_after: str | None = None) -> list[str]:
    return [found.name for found in zone.list(prefix, start_after=start_after)]


def test_objects_come_in_the_order_of_their_names_below_a_prefix(folder: FolderZone) -> None:
    for name in ("b/2.csv", "a/1.csv", "b.csv", "b/1.csv"):
        folder.put(name, b"x")
    assert names(folder) == ["a/1.csv", "b.csv", "b/1.csv", "b/2.csv"]
    assert names(folder, "b/") == ["b/1.csv", "b/2.csv"]
    assert names(folder, "b/", "b/1.csv") == ["b/2.csv"]
    assert names(folder, "none/") == []


@pytest.mark.parametrize("name", ["a.csv.part", "a.tmp", ".a.csv", "_a.csv", "_folder/a.csv"])
def test_what_is_still_being_written_by_its_name_is_left_alone(folder: FolderZone, tmp_path: Path, name: str) -> None:
    path = tmp_path / "zone" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("x")
    assert names(folder) == []


def test_what_changed_a_moment_ago_is_left_alone_until_it_settles(tmp_path: Path) -> None:
    FolderZone(tmp_path).put("a.csv", b"x")
    assert names(FolderZone(tmp_path, settle_seconds=60)) == []
    long_ago = time.time() - 120
    os.utime(tmp_path / "a.csv", (long_ago, long_ago))
    assert names(FolderZone(tmp_path, settle_seconds=60)) == ["a.csv"]


def test_new_content_is_a_new_version_and_the_same_content_is_not(folder: FolderZone) -> None:
    folder.put("a.csv", b"one")
    [first] = folder.list()
    folder.put("a.csv", b"one")
    assert list(folder.list()) == [first]
    folder.put("a.csv", b"two")
    [second] = folder.list()
    assert second.object_id != first.object_id


def test_siblings_of_one_moment_are_two_objects(folder: FolderZone, tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv"):
        folder.put(name, b"x")
        os.utime(tmp_path / "zone" / name, (1_700_000_000, 1_700_000_000))
    assert len({found.object_id for found in folder.list()}) == 2


@pytest.mark.parametrize("name", ["../a.csv", "/etc/passwd", "a/../../b.csv", "a\\b.csv", "", "a\0b"])
def test_a_name_that_leads_out_is_refused(folder: FolderZone, name: str) -> None:
    with pytest.raises(BadName):
        folder.put(name, b"x")


def test_a_link_that_leads_out_is_neither_listed_nor_read(folder: FolderZone, tmp_path: Path) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("x")
    folder.put("a.csv", b"x")
    (tmp_path / "zone" / "b.csv").symlink_to(secret)
    assert names(folder) == ["a.csv"]
    [found] = folder.list()
    with pytest.raises(BadName):
        folder.spool(type(found)("b.csv", found.version, 1, found.modified_at), tmp_path)


@pytest.mark.faults
@pytest.mark.parametrize(
    "name", [b"a\\b.csv", b"a-\xe4.csv", b"\xc3\xa4/\xff.csv", b"a\n.csv", b" .csv", "ä.csv".encode()]
)
def test_a_file_of_any_name_is_listed_and_read(folder: FolderZone, tmp_path: Path, name: bytes) -> None:
    path = tmp_path / "zone" / os.fsdecode(name)
    path.parent.mkdir(parents=True)
    path.write_text("x")
    [found] = folder.list()
    assert found.name.encode().decode() == found.name
    assert len(found.object_id) == 24
    assert folder.spool(found, tmp_path).path.read_text() == "x"
    assert names(folder, "", found.name) == []


@pytest.mark.faults
def test_a_link_to_itself_is_passed_over(folder: FolderZone, tmp_path: Path) -> None:
    folder.put("b.csv", b"x")
    (tmp_path / "zone" / "a.csv").symlink_to("a.csv")
    assert names(folder) == ["b.csv"]


def test_a_spooled_object_is_hashed(folder: FolderZone, tmp_path: Path) -> None:
    folder.put("a.csv", b"abc")
    [found] = folder.list()
    spooled = folder.spool(found, tmp_path)
    assert (spooled.path.read_bytes(), spooled.size_bytes) == (b"abc", 3)
    assert spooled.sha256 == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@pytest.mark.faults
@pytest.mark.parametrize("change", ["replaced", "removed"])
def test_an_object_that_changed_since_it_was_listed_is_not_read(
    folder: FolderZone, tmp_path: Path, change: str
) -> None:
    folder.put("a.csv", b"one")
    [found] = folder.list()
    if change == "replaced":
        folder.put("a.csv", b"two")
    else:
        (tmp_path / "zone" / "a.csv").unlink()
    with pytest.raises(ObjectChanged):
        folder.spool(found, tmp_path)


@pytest.mark.aws
def test_s3_behaves_like_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import boto3
    from moto import mock_aws

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket="landing")
        zone = S3Zone("landing", "zone", client)
        for name in ("a/1.csv", "a/2.csv", "b/1.csv", "a/3.part"):
            zone.put(name, b"x")
        client.put_object(Bucket="landing", Key="zone/a/", Body=b"")
        client.put_object(Bucket="landing", Key="elsewhere/a/9.csv", Body=b"x")
        client.put_object(Bucket="landing", Key="zone/c/a\\b.csv", Body=b"x")
        assert zone.spool(next(zone.list("c/")), tmp_path).path.read_bytes() == b"x"
        client.delete_object(Bucket="landing", Key="zone/c/a\\b.csv")
        assert names(zone, "a/") == ["a/1.csv", "a/2.csv"]
        assert names(zone, "", "a/1.csv") == ["a/2.csv", "b/1.csv"]
        found = next(iter(zone.list("a/")))
        assert zone.spool(found, tmp_path).path.read_bytes() == b"x"
        zone.put("a/1.csv", b"new")
        with pytest.raises(ObjectChanged):
            zone.spool(found, tmp_path)
        client.delete_object(Bucket="landing", Key="zone/a/1.csv")
        with pytest.raises(ObjectChanged):
            zone.spool(found, tmp_path)
