"""Facts go to the sandbox o9 as files too: into the data lake with a pipeline run, and by SFTP."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import asyncssh
import pytest

from o9_assets.resources.o9 import Denied, Unavailable, load_profile
from o9_assets.resources.o9.profile import Retry
from o9_assets.sandbox.o9.loading import load_file
from o9_assets_tests.exchange import Exchange, cell
from o9_assets_tests.sftp import Host, serving

FIRST = date(2025, 1, 6)
NAMES = ["a,b", 'say "x"', "[c]", "=cmd", "two\nlines", "größe"]


def fill(exchange: Exchange) -> None:
    cells = [cell(FIRST + timedelta(weeks=n % 3), f"I{n:02d}", f"{n}.25") for n in range(12)]
    exchange.history(*cells, *(cell(FIRST, name, "1") for name in NAMES))


def data_lake(home: Path) -> Exchange:
    given = load_profile("data_lake").model_dump(exclude={"batch_size", "page_size"})
    exchange = Exchange(home, profile_keys={name: getattr(load_profile("data_lake"), name) for name in given})
    fill(exchange)
    return exchange


def test_files_go_into_the_data_lake_and_a_pipeline_loads_them(tmp_path: Path) -> None:
    exchange = data_lake(tmp_path)
    report = exchange.deliver()
    assert (report.new, report.rejected) == (18, 0)
    assert exchange.held() == exchange.books() and len(exchange.held()) == 18
    files = sorted((exchange.store.files / "inbound").iterdir())
    assert [f.name for f in files] == sorted(
        f"Fact.DemandHistory.{row['chunk_id'][:32]}.csv" for row in exchange.ledger()
    )
    header = files[0].read_text().splitlines()[0]
    assert (
        header
        == '"Version.[Version Name]","Item.[Item]","Location.[Location]","Time.[Partial Week]","Orders","Returns"'
    )
    assert all(row["receipt"].startswith("load-") for row in exchange.ledger())
    assert not exchange.read_back(FIRST).breaks
    assert exchange.deliver().requests == 0


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_the_profile_says_what_stands_between_fields(tmp_path: Path, delimiter: str) -> None:
    exchange = data_lake(tmp_path)
    files = exchange.profile.files.model_copy(update={"delimiter": delimiter})
    exchange.profile_keys = {**exchange.profile_keys, "files": files}
    report = exchange.deliver()
    assert (report.new, report.rejected) == (18, 0)
    assert exchange.held() == exchange.books() and len(exchange.held()) == 18
    [first, *_] = (exchange.store.files / "inbound").iterdir()
    assert first.read_text().startswith(f'"Version.[Version Name]"{delimiter}"Item.[Item]"{delimiter}')


def test_a_retraction_by_file_takes_the_cell_away(tmp_path: Path) -> None:
    exchange = data_lake(tmp_path)
    exchange.deliver()
    exchange.history(cell(FIRST, "I00", "5"))
    report = exchange.deliver()
    assert (report.replaced, report.retracted) == (1, 17)
    assert exchange.held().keys() == {("I00", "2025-W02")}


@pytest.mark.faults
def test_rows_that_a_pipeline_leaves_out_are_refused_cells(tmp_path: Path) -> None:
    exchange = data_lake(tmp_path)
    exchange.profile_keys = {**exchange.profile_keys, "create_members": ("location", "time")}
    exchange.store.add_members("Item", [{"Name": f"I{n:02d}"} for n in range(12)])
    report = exchange.deliver()
    assert (report.new, report.rejected) == (12, len(NAMES))
    assert {row["missing_members"] for row in exchange.rejected()} >= {'[["Item", "a,b"]]'}


@pytest.mark.faults
def test_an_upload_whose_answer_was_lost_is_the_same_file(tmp_path: Path) -> None:
    exchange = data_lake(tmp_path)
    exchange.faults.lose_answer = lambda number, method, path: "upload" in path and number % 2 == 0
    assert exchange.deliver().new == 18
    assert set(exchange.store.writes().values()) == {1}


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    exchange = Exchange(tmp_path)
    fill(exchange)
    with serving(exchange, monkeypatch) as made:
        yield made


def test_files_go_by_sftp_and_are_loaded_when_their_control_file_is_there(host: Host) -> None:
    exchange = host.exchange
    report = exchange.deliver()
    assert (report.new, report.rejected) == (18, 0)
    assert exchange.held() == exchange.books()
    names = sorted(f.name for f in (exchange.store.files / "inbound").iterdir())
    assert len(names) == 12 and sum(name.endswith(".csv.done") for name in names) == 6
    assert exchange.deliver().requests == 0


@pytest.mark.faults
def test_an_upload_that_was_cut_goes_on_where_it_stopped(host: Host) -> None:
    host.faults.cut_after_bytes = 700
    assert host.exchange.deliver().new == 18
    assert host.faults.cut
    sizes = sum(f.stat().st_size for f in (host.exchange.store.files / "inbound").glob("*.csv"))
    assert sizes <= host.faults.written < sizes + 400, "what was there was not sent again"
    assert host.exchange.held() == host.exchange.books()


@pytest.mark.faults
def test_another_host_key_stops_before_anything_is_sent(host: Host) -> None:
    host.use(sftp={"host_key": host.public(asyncssh.generate_private_key("ssh-ed25519"))})
    with pytest.raises(Denied, match="another host key"):
        host.exchange.deliver()
    assert host.faults.written == 0


@pytest.mark.faults
def test_a_key_that_the_host_does_not_know_is_denied(host: Host) -> None:
    host.client_key = asyncssh.generate_private_key("ssh-ed25519")
    with pytest.raises(Denied, match="Renew O9_SFTP_USER and O9_SFTP_KEY"):
        host.exchange.deliver()


@pytest.mark.faults
def test_a_full_disk_is_passing_and_the_next_run_goes_on(host: Host) -> None:
    host.use(retry=Retry(patience_seconds=5))
    host.faults.full_after_bytes = 600
    with pytest.raises(Unavailable, match="no space left"):
        host.exchange.deliver()
    host.faults.full_after_bytes = 0
    report = host.exchange.deliver()
    assert report.resumed and host.exchange.held() == host.exchange.books()
    assert len(host.exchange.held()) == 18


@pytest.mark.faults
def test_a_host_that_is_away_is_passing(host: Host) -> None:
    host.use(sftp={"port": 1}, retry=Retry(patience_seconds=1))
    with pytest.raises(Unavailable, match="cannot be reached"):
        host.exchange.deliver()


@pytest.mark.faults
def test_what_o9_does_not_load_in_time_is_refused_and_named(host: Host) -> None:
    host.faults.load = False
    report = host.exchange.deliver()
    assert (report.new, report.rejected) == (0, 18)
    assert all(reason.startswith("o9 did not load it (inbound/Fact.") for reason in report.reasons)


def test_without_an_api_a_file_that_is_there_is_taken_for_loaded(host: Host) -> None:
    host.faults.load = False
    host.use(files={"confirm": "receipt"})
    assert host.exchange.deliver().new == 18
    assert host.exchange.held() == {}
    for path in (host.exchange.store.files / "inbound").glob("*.csv"):
        load_file(host.exchange.store, "DemandHistory", f"inbound/{path.name}")
    assert host.exchange.held() == host.exchange.books()
