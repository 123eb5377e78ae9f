"""Files that o9 drops into its SFTP folder reach the landing zone whole, once, and under their names."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import asyncssh
import pytest

from o9_assets.exchange.collecting import collect
from o9_assets.resources.lake import Lake
from o9_assets.resources.landing_zone import FolderZone
from o9_assets.resources.o9 import Denied, Unavailable
from o9_assets.resources.o9.profile import Retry
from o9_assets.sandbox.o9 import folder_drop
from o9_assets_tests.exchange import Exchange
from o9_assets_tests.sftp import Host, serving

NAME = "o9/outbound/2025-01-27-Fact.StatFcst.csv"


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    with serving(Exchange(tmp_path), monkeypatch) as made:
        folder_drop(made.exchange.store.files / "outbound")(NAME, b"a,b\n1,2\n" * 1000)
        yield made


def zone(host: Host) -> FolderZone:
    return FolderZone(host.exchange.home / "landing", settle_seconds=0)


def brought(host: Host) -> list[str]:
    with host.exchange.client() as client:
        found = collect(client=client, zone=zone(host), lake=host.exchange.lake, now=datetime(2025, 1, 27))
        return [file.name for file in found]


def test_a_file_is_brought_once_and_again_when_o9_replaced_it(host: Host) -> None:
    assert brought(host) == [NAME]
    assert (host.exchange.home / "landing" / NAME).read_bytes() == b"a,b\n1,2\n" * 1000
    assert brought(host) == []
    folder_drop(host.exchange.store.files / "outbound")(NAME, b"a,b\n3,4\n")
    assert brought(host) == [NAME]
    assert (host.exchange.home / "landing" / NAME).read_bytes() == b"a,b\n3,4\n"


@pytest.mark.faults
@pytest.mark.parametrize("clock", [-300, 300], ids=["the host's clock is behind", "the host's clock is ahead"])
def test_a_replacement_of_the_same_size_is_brought_whatever_the_host_s_clock_says(host: Host, clock: int) -> None:
    path = host.exchange.store.files / "outbound" / NAME
    os.utime(path, (time.time() + clock, time.time() + clock))
    assert brought(host) == [NAME]
    path.write_bytes(b"a,b\n9,9\n" * 1000)
    os.utime(path, (time.time() + clock + 1, time.time() + clock + 1))
    assert (brought(host), brought(host)) == ([NAME], [])
    assert (host.exchange.home / "landing" / NAME).read_bytes() == b"a,b\n9,9\n" * 1000


@pytest.mark.faults
def test_a_file_that_is_replaced_while_it_is_put_is_brought_the_next_time(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, put = host.exchange.store.files / "outbound" / NAME, FolderZone.put

    def replaced(self: FolderZone, name: str, content: bytes | Path) -> None:
        path.write_bytes(b"a,b\n9,9\n" * 1000)
        os.utime(path, (time.time() - 5, time.time() - 5))
        put(self, name, content)

    with monkeypatch.context() as patched:
        patched.setattr(FolderZone, "put", replaced)
        assert brought(host) == [NAME]
    assert brought(host) == [NAME]
    assert (host.exchange.home / "landing" / NAME).read_bytes() == b"a,b\n9,9\n" * 1000


@pytest.mark.faults
def test_a_run_that_died_before_it_could_remember_brings_the_file_again(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(Lake, "overwrite", dies)
        brought(host)
    before = [found.version for found in zone(host).list()]
    assert brought(host) == [NAME]
    assert [found.version for found in zone(host).list()] == before


@pytest.mark.faults
def test_what_is_still_being_written_or_leads_out_is_left(host: Host) -> None:
    folder = host.exchange.store.files / "outbound"
    (folder / "half.csv.part").write_text("a")
    (folder / "link.csv").symlink_to(host.exchange.home / "o9.db")
    assert brought(host) == [NAME]


@pytest.mark.faults
def test_with_a_control_file_only_a_file_that_has_one_is_brought(host: Host) -> None:
    host.use(files={"outbound_control": ".done"})
    assert brought(host) == []
    (host.exchange.store.files / "outbound" / f"{NAME}.done").touch()
    assert brought(host) == [NAME]


@pytest.mark.faults
def test_a_copy_that_was_cut_goes_on_where_it_stopped(host: Host) -> None:
    folder_drop(host.exchange.store.files / "outbound")(NAME, bytes(range(256)) * 8000)
    host.faults.cut_reads_after_bytes = 700_000
    assert brought(host) == [NAME]
    assert host.faults.cut
    assert (host.exchange.home / "landing" / NAME).read_bytes() == bytes(range(256)) * 8000
    assert host.faults.read < 256 * 8000 + 1_000_000, "what was there was not read again"


@pytest.mark.faults
def test_a_file_that_changes_while_it_is_copied_is_left_for_the_next_time(host: Host) -> None:
    path = host.exchange.store.files / "outbound" / NAME
    host.faults.on_read = lambda: path.write_bytes(b"other")
    assert brought(host) == []
    assert not (host.exchange.home / "landing" / NAME).exists()
    host.faults.on_read = lambda: None
    assert brought(host) == [NAME]


@pytest.mark.faults
def test_another_host_key_or_no_such_folder_is_denied_and_a_host_that_is_away_passing(host: Host) -> None:
    host.use(files={"outbound_folder": "elsewhere"})
    with pytest.raises(Denied, match=r"does not show elsewhere .*outbound_folder"):
        brought(host)
    host.use(sftp={"host_key": host.public(asyncssh.generate_private_key("ssh-ed25519"))})
    with pytest.raises(Denied, match="another host key"):
        brought(host)
    host.use(sftp={"port": 1}, retry=Retry(patience_seconds=1))
    with pytest.raises(Unavailable, match="could not be read"):
        brought(host)


@pytest.mark.faults
def test_a_file_with_the_same_content_and_a_later_time_is_brought_once(host: Host) -> None:
    assert brought(host) == [NAME]
    later = time.time() + 30
    os.utime(host.exchange.store.files / "outbound" / NAME, (later, later))
    brought(host)
    assert brought(host) == []
