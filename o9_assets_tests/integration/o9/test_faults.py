"""Whatever o9 does wrong, each cell is in o9 once, what was confirmed is kept, and the next run goes on from there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from o9_assets.assets.curated.demand_history import DEMAND_HISTORY
from o9_assets.exchange.lease import Busy, Lease
from o9_assets.exchange.report import Asked, Delivery
from o9_assets.failures import Passing, Permanent
from o9_assets.resources.lake import CommitConflict, Lake
from o9_assets.resources.o9 import ContractBroken, Denied, RejectedRows, Unavailable
from o9_assets.resources.o9.profile import Limits, Retry
from o9_assets.sandbox.o9 import Faults
from o9_assets_tests.exchange import Exchange, cell

pytestmark = pytest.mark.faults

FIRST = date(2025, 1, 6)


@pytest.fixture
def exchange(tmp_path: Path) -> Exchange:
    made = Exchange(tmp_path)
    made.history(*(cell(FIRST + timedelta(weeks=n % 3), f"I{n:02d}", f"{n}.5") for n in range(30)))
    return made


def until_done(exchange: Exchange, at_most: int = 10) -> int:
    """Deliver as Dagster does, again after a passing error; returns how many runs it took."""
    for run in range(1, at_most + 1):
        try:
            exchange.deliver()
        except Passing:
            exchange.time.now += 60
            continue
        return run
    raise AssertionError(f"not done in {at_most} runs")


def assert_whole(exchange: Exchange) -> None:
    """Every cell is held once, as the books say, and no batch came twice."""
    assert len(exchange.held()) == 30
    assert exchange.held() == exchange.books()
    assert set(Counter(exchange.store.received()).values()) == {1}
    assert set(exchange.store.writes().values()) == {1}


@pytest.mark.parametrize(
    "given",
    [
        {"fail_every": 3},
        {"throttle_first": 5, "retry_after_seconds": 60},
        {"cut_every": 3},
        {"lose_answer_every": 2},
        {"encode_twice": True},
        {"slow_seconds": 0.001},
    ],
    ids=lambda given: str(given),
)
def test_what_passes_ends_with_every_cell_held_once(exchange: Exchange, given: dict[str, Any]) -> None:
    exchange.faults = Faults(**given)
    until_done(exchange)
    exchange.faults = Faults()
    assert_whole(exchange)
    assert exchange.deliver().requests == 0


def test_a_lost_answer_is_looked_up_and_the_rows_are_found(exchange: Exchange) -> None:
    exchange.profile_keys = {"retry": Retry(open_after_failures=100)}
    exchange.faults.lose_answer = lambda number, method, path: method == "POST" and "fact" in path
    report = exchange.deliver()
    assert (report.found, report.requests, report.new) == (10, 0, 30)
    assert {row["outcome"] for row in exchange.ledger()} == {"found"}
    assert_whole(exchange)


def test_a_key_that_is_revoked_in_the_middle_stops_at_once_and_what_was_confirmed_stays(exchange: Exchange) -> None:
    exchange.profile_keys = {"concurrent_requests": 1}
    posts = 0

    def revoked(number: int, method: str, path: str) -> Any:
        nonlocal posts
        posts += method == "POST" and "fact" in path
        from starlette.responses import JSONResponse

        return JSONResponse({"Message": "revoked"}, status_code=401) if posts > 4 else None

    exchange.faults = Faults(answer=revoked)
    with pytest.raises(Denied):
        exchange.deliver()
    assert len(exchange.ledger()) == 4 and len(exchange.held()) == 12
    assert exchange.books() == {}, "the books change when a delivery ends, not before"
    exchange.faults = Faults()
    report = exchange.deliver()
    assert report.resumed and report.new == 30
    assert_whole(exchange)


@pytest.mark.parametrize("given", [{"html_every": 1}, {"repeat_cursor": True}], ids=str)
def test_what_is_not_o9_stops_at_once(exchange: Exchange, given: dict[str, Any]) -> None:
    exchange.faults = Faults(**given)
    with pytest.raises(ContractBroken):
        exchange.deliver()
    exchange.faults = Faults()
    exchange.deliver()
    assert_whole(exchange)


def test_a_poisoned_chunk_is_halved_to_the_rows_at_fault(exchange: Exchange) -> None:
    exchange.profile_keys = {"batch_size": 16}
    exchange.faults.poison = r'BatchId.*"(I07|I22)"'
    report = exchange.deliver()
    assert (report.new, report.rejected) == (28, 2)
    assert report.reasons == {"a row holds what o9 cannot take": 2}
    assert [row["item_code"] for row in exchange.rejected()] == ["I07", "I22"]
    assert {item for item, _ in exchange.held()} == {f"I{n:02d}" for n in range(30)} - {"I07", "I22"}
    assert exchange.held() == exchange.books()
    refused = [row for row in exchange.ledger() if row["outcome"] == "refused"]
    assert sum(row["rejected_count"] for row in refused) == 2
    assert exchange.deliver().requests == 0


def test_an_o9_that_refuses_everything_is_not_asked_row_by_row_for_ever(exchange: Exchange) -> None:
    exchange.profile_keys = {"limits": Limits(refused_rows=5)}
    exchange.faults.poison = "BatchId"
    with pytest.raises(RejectedRows, match="a row holds what o9 cannot take"):
        exchange.deliver()
    assert exchange.faults.requests < 60


def test_an_o9_that_is_away_is_a_passing_error_and_nothing_is_in_the_books(exchange: Exchange) -> None:
    exchange.profile_keys = {"retry": Retry(patience_seconds=10)}
    exchange.faults = Faults(fail_every=1)
    with pytest.raises(Unavailable):
        exchange.deliver()
    assert exchange.books() == {}
    exchange.faults = Faults()
    exchange.deliver()
    assert_whole(exchange)


def test_a_delivery_that_another_process_is_at_is_waited_for_and_then_left_to_it(exchange: Exchange) -> None:
    exchange.faults = Faults(revoke_key_after=3)
    with pytest.raises(Permanent):
        exchange.deliver()
    exchange.faults = Faults()
    from o9_assets.exchange.datasets import PLANNED

    exchange.lake.append(PLANNED, PLANNED.arrow_schema.empty_table(), marks={"lease": Lease.new().mark()})
    before = exchange.store.received()
    with pytest.raises(Busy, match="Another export is under way: process"):
        exchange.deliver()
    assert sum(exchange.time.slept) >= 30
    assert exchange.store.received() == before


def test_a_plan_that_another_export_made_since_the_first_look_is_not_overwritten(
    exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    from o9_assets.exchange import delivery
    from o9_assets.exchange.datasets import PLANNED

    plan, theirs = delivery.plan, list[str]()

    def second(con: Any, given: Delivery, history: Any, asked: Asked) -> Any:
        with given.engine.connect() as other:
            made = plan(other, replace(given, lease=Lease.new()), history, asked)
        assert made is not None
        theirs.append(made.delivery_id)
        return plan(con, given, history, asked)

    monkeypatch.setattr(delivery, "plan", second)
    with pytest.raises(CommitConflict, match="Another export has planned meanwhile"):
        exchange.deliver()
    assert exchange.lake.marks(PLANNED)["delivery"] == theirs[0]
    assert exchange.store.received() == []


def test_a_delivery_that_another_export_ended_and_followed_by_its_own_is_not_taken_over(
    exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    from o9_assets.exchange import delivery

    def dies(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    def left_half_way() -> None:
        with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
            patched.setattr(delivery, "_complete", dies)
            exchange.deliver()

    take_over = delivery._take_over

    def late(*given: Any) -> None:
        monkeypatch.setattr(delivery, "_take_over", take_over)
        exchange.deliver()
        exchange.history(cell(date(2025, 3, 3), "I99", "7"))
        left_half_way()
        take_over(*given)

    left_half_way()
    monkeypatch.setattr(delivery, "_take_over", late)
    with pytest.raises(CommitConflict, match="went on with it"):
        exchange.deliver()
    exchange.deliver()
    assert len(exchange.books()) == 31 and exchange.held() == exchange.books()
    assert set(exchange.store.writes().values()) == {1}


def test_months_that_nothing_is_to_be_sent_of_are_not_told_of_books_that_changed_since(
    exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An export that read older history delivers it while another finds that nothing is to be sent."""
    from o9_assets.exchange import plan

    exchange.history(cell(FIRST, "I00", "1"))
    exchange.deliver()
    exchange.history(cell(FIRST, "I00", "2"))
    older = exchange.lake.fingerprints(DEMAND_HISTORY)
    exchange.history(cell(FIRST, "I00", "1"))
    keep_held = plan.keep_held

    def late(*given: Any) -> None:
        monkeypatch.setattr(plan, "keep_held", keep_held)
        with monkeypatch.context() as patched:
            patched.setattr(Lake, "fingerprints", lambda *_: older)
            exchange.deliver()
        keep_held(*given)

    monkeypatch.setattr(plan, "keep_held", late)
    with pytest.raises(CommitConflict):
        exchange.deliver()
    exchange.deliver()
    [(_, held)] = exchange.held().items()
    assert held["Orders"] == 1


def test_an_export_that_was_taken_over_sends_no_further(exchange: Exchange, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("o9_assets.exchange.delivery.ROWS_TOGETHER", 6)
    taken: list[str] = []
    real: Callable[[Lease, Any], None] = Lease.check

    def taken_over_at_the_second_group(lease: Lease, lake: Any) -> None:
        from o9_assets.exchange.datasets import PLANNED

        taken.append(lease.holder)
        if len(taken) == 2:
            lake.append(PLANNED, PLANNED.arrow_schema.empty_table(), marks={"lease": Lease.new().mark()})
        real(lease, lake)

    monkeypatch.setattr(Lease, "check", taken_over_at_the_second_group)
    with pytest.raises(Busy, match="took this one over"):
        exchange.deliver()
    assert len(exchange.ledger()) == 2 and len(exchange.store.received()) == 4


def test_a_refused_cell_whose_delivery_was_cut_is_recorded_once(
    exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    exchange.faults.poison = 'BatchId.*"I07"'

    def cut(*given: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr("o9_assets.exchange.delivery._keep_receipts", cut)
        exchange.deliver()
    assert len(exchange.rejected()) == 1 and exchange.ledger() == []
    report = exchange.deliver()
    assert (report.resumed, report.found, report.new, report.rejected) == (True, 10, 29, 1)
    assert len(exchange.rejected()) == 1
    assert set(exchange.store.writes().values()) == {1}


def test_settings_that_changed_after_a_crash_begin_a_new_delivery(exchange: Exchange) -> None:
    exchange.faults = Faults(revoke_key_after=6)
    with pytest.raises(Denied):
        exchange.deliver()
    exchange.faults = Faults()
    from o9_assets.planning.settings import parse
    from o9_assets_tests.company import SETTINGS

    exchange.settings = parse(SETTINGS.replace("Orders, ", "Sales Orders, "))
    report = exchange.deliver()
    assert (report.resumed, report.new) == (False, 30)
    assert all("Sales Orders" in measures for measures in exchange.held().values())
