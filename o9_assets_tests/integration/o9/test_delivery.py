"""A delivery reaches the sandbox o9 once, sends only what changed, and says what o9 refused."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from o9_assets.exchange.datasets import CORRECTIONS
from o9_assets.exchange.delivery import Asked
from o9_assets.planning.settings import parse
from o9_assets_tests.company import SETTINGS
from o9_assets_tests.exchange import Exchange, cell

JAN_6, JAN_13, FEB_3 = date(2025, 1, 6), date(2025, 1, 13), date(2025, 2, 3)


@pytest.fixture
def exchange(tmp_path: Path) -> Exchange:
    return Exchange(tmp_path)


def test_a_delivery_brings_every_known_cell_under_o9s_names(exchange: Exchange) -> None:
    exchange.history(cell(JAN_6, orders="12.5"), cell(JAN_13, orders="0"), cell(JAN_6, "B", "-3.0001"))
    report = exchange.deliver()
    assert (report.new, report.replaced, report.retracted, report.rejected) == (3, 0, 0, 0)
    zero = Decimal(0)
    assert exchange.held() == {
        ("A", "2025-W02"): {"Orders": Decimal("12.5"), "Returns": zero},
        ("A", "2025-W03"): {"Orders": zero, "Returns": zero},
        ("B", "2025-W02"): {"Orders": Decimal("-3.0001"), "Returns": zero},
    }
    assert exchange.books() == exchange.held()


def test_a_second_run_sends_nothing(exchange: Exchange) -> None:
    exchange.history(*(cell(JAN_6, f"I{n}", str(n)) for n in range(10)))
    exchange.deliver()
    before, seen = exchange.store.received(), exchange.faults.requests
    assert sum(rows for _, rows in before) == 10
    report = exchange.deliver()
    assert (report.requests, report.new, report.delivery_id) == (0, 0, None)
    assert exchange.store.received() == before
    assert exchange.faults.requests == seen, "o9 is not even asked"


def test_a_month_that_is_written_anew_with_equal_cells_sends_nothing_and_is_not_looked_at_again(
    exchange: Exchange,
) -> None:
    exchange.history(cell(JAN_6), cell(JAN_13))
    exchange.deliver()
    exchange.history(cell(JAN_13), cell(JAN_6))
    snapshot = exchange.lake.snapshot_id
    assert exchange.deliver().requests == 0
    from o9_assets.exchange.datasets import DEMAND_EXPORT

    held = snapshot(DEMAND_EXPORT)
    assert exchange.deliver().requests == 0
    assert snapshot(DEMAND_EXPORT) == held


def test_what_is_missing_or_not_complete_is_not_sent_as_zero(exchange: Exchange) -> None:
    missing = cell(JAN_13, orders=None, state="missing", is_complete=False)
    partial = cell(JAN_13, "B", "7", is_complete=False)
    exchange.history(cell(JAN_6), missing, partial)
    assert exchange.deliver().new == 1
    assert exchange.held().keys() == {("A", "2025-W02")}


def test_a_late_change_sends_only_its_weeks(exchange: Exchange) -> None:
    exchange.history(*(cell(JAN_6 + timedelta(weeks=n), "A", str(n)) for n in range(3)))
    exchange.history(*(cell(FEB_3 + timedelta(weeks=n), "A", str(n)) for n in range(3)))
    exchange.deliver()
    exchange.history(cell(JAN_6, orders="0"), cell(JAN_13, orders="99"), cell(date(2025, 1, 20), orders="2"))
    report = exchange.deliver()
    assert (report.new, report.replaced, report.retracted) == (0, 1, 0)
    assert report.months == {date(2025, 1, 1)}
    assert exchange.store.received()[-1][1] == 1
    assert exchange.held()[("A", "2025-W03")]["Orders"] == 99


def test_a_correction_is_recorded_as_it_was_and_as_it_became(exchange: Exchange) -> None:
    exchange.history(cell(JAN_6, orders="5"), cell(JAN_13, orders="6"), cell(JAN_13, "B", "7"))
    exchange.deliver()
    gone = cell(JAN_13, orders=None, state="missing", is_complete=False)
    exchange.history(cell(JAN_6, orders="4"), gone)
    report = exchange.deliver()
    assert (report.replaced, report.retracted) == (1, 2)
    assert exchange.held().keys() == {("A", "2025-W02")}
    rows = exchange.lake.read(CORRECTIONS).sort_by([("item_code", "ascending"), ("bucket_start", "ascending")])
    told = [(r["item_code"], r["change"], r["was_orders_quantity"], r["orders_quantity"]) for r in rows.to_pylist()]
    assert told == [
        ("A", "replaced", Decimal(5), Decimal(4)),
        ("A", "retracted", Decimal(6), None),
        ("B", "retracted", Decimal(7), None),
    ]
    assert exchange.books() == exchange.held()


def test_the_ledger_keeps_content_receipt_and_outcome_of_every_request(exchange: Exchange) -> None:
    exchange.history(*(cell(JAN_6, f"I{n}", str(n)) for n in range(7)))
    report = exchange.deliver()
    ledger = exchange.ledger()
    assert [row["row_count"] for row in ledger] == [3, 3, 1]
    assert {row["outcome"] for row in ledger} == {"accepted"}
    assert sorted(row["chunk_id"] for row in ledger) == sorted(i for i, _ in exchange.store.received())
    assert {row["delivery_id"] for row in ledger} == {report.delivery_id}
    assert all(row["receipt"] and row["attempts"] == 1 for row in ledger)


def test_equal_cells_make_equal_requests(tmp_path: Path) -> None:
    cells = [cell(JAN_6, f"I{n}", str(n)) for n in range(5)]
    batches = []
    for name, order in (("one", cells), ("other", cells[::-1])):
        one = Exchange(tmp_path / name)
        one.history(*order)
        one.deliver()
        batches.append(sorted(one.store.received()))
    assert batches[0] == batches[1]


def test_names_with_commas_quotes_brackets_and_formulas_arrive_as_they_are(exchange: Exchange) -> None:
    names = ["a,b", 'say "x"', "[c]", "=cmd|' /C calc'!A0", "d'e", "f\\g", "größe µ", "tab\there"]
    exchange.history(*(cell(JAN_6, name, "1") for name in names))
    exchange.deliver()
    assert {item for item, _ in exchange.held()} == set(names)
    assert not exchange.read_back(JAN_6).breaks


def test_read_back_agrees_with_what_was_sent(exchange: Exchange) -> None:
    exchange.history(*(cell(JAN_6, f"I{n}", f"{n}.25") for n in range(9)), cell(JAN_13, orders="2"))
    exchange.deliver()
    found = exchange.read_back(JAN_6, JAN_13)
    assert (found.buckets, found.agreed, found.breaks) == (2, 20, ())


def test_read_back_shows_a_break_with_its_cells(exchange: Exchange) -> None:
    exchange.history(cell(JAN_6, orders="5"), cell(JAN_6, "B", "6"))
    exchange.deliver()
    with exchange.store._con as con:
        con.execute("UPDATE facts SET row = replace(row, '\"Orders\":6', '\"Orders\":61')")
    [found] = exchange.read_back(JAN_6).breaks
    assert (found.our_cells, found.their_cells) == (2, 2)
    assert (found.our_quantity, found.their_quantity) == (Decimal(11), Decimal(66))
    assert found.examples == ("B · L1 · ALL: 6.0000 here, 61.0000 there",)


def test_a_cell_that_somebody_else_wrote_into_o9_is_a_break(exchange: Exchange) -> None:
    exchange.history(cell(JAN_6, orders="5"))
    exchange.deliver()
    exchange.store.add_members("Item", [{"Name": "X"}])
    row = {
        "Version.[Version Name]": "CurrentWorkingView",
        "Item.[Item]": "X",
        "Location.[Location]": "L1",
        "Time.[Partial Week]": "2025-W02",
        "Orders": Decimal(3),
    }
    exchange.store.write("DemandHistory", "other", [row])
    [found] = exchange.read_back(JAN_6).breaks
    assert found.examples == ("X · L1 · ALL: None here, 3.0000 there",)


def test_another_measure_name_or_version_delivers_everything_anew(exchange: Exchange) -> None:
    exchange.history(cell(JAN_6), cell(JAN_13))
    exchange.deliver()
    exchange.settings = parse(SETTINGS.replace("Orders, ", "Sales Orders, "))
    report = exchange.deliver()
    assert report.new == 2
    assert exchange.held()[("A", "2025-W02")] == {"Sales Orders": 1, "Returns": 0}


def test_a_member_that_o9_lacks_is_named_and_the_cell_goes_when_it_is_there(tmp_path: Path) -> None:
    exchange = Exchange(tmp_path, profile_keys={"create_members": ("item", "time")})
    exchange.store.add_members("Location", [{"Name": "L1"}])
    exchange.history(cell(JAN_6), cell(JAN_6, "B", "8", location_code="L2"), cell(JAN_6, "C"))
    report = exchange.deliver()
    assert (report.new, report.rejected) == (2, 1)
    assert report.reasons == {"Location has no member 'L2'": 1}
    [refused] = exchange.rejected()
    assert (refused["item_code"], refused["orders_quantity"], refused["missing_members"]) == (
        "B",
        Decimal(8),
        '[["Location", "L2"]]',
    )
    received = exchange.store.received()
    assert exchange.deliver().requests == 0
    exchange.history(cell(JAN_6, orders="2"), cell(JAN_6, "B", "8", location_code="L2"), cell(JAN_6, "C"))
    assert exchange.deliver().replaced == 1, "the cell that o9 refuses is not tried in vain"
    assert exchange.store.received()[len(received) :][0][1] == 1
    exchange.store.add_members("Location", [{"Name": "L2"}])
    assert exchange.deliver().new == 1
    assert exchange.rejected()[0]["resolved_at"] is not None
    assert ("B", "2025-W02") in exchange.held()


def test_a_person_can_ask_for_what_o9_refused_to_be_sent_again(tmp_path: Path) -> None:
    exchange = Exchange(tmp_path)
    exchange.faults.poison = '"BAD"'
    exchange.history(cell(JAN_6, "BAD"), cell(JAN_6, "GOOD"))
    exchange.faults.poison = "BatchId.*BAD"
    assert exchange.deliver().rejected == 1
    exchange.faults.poison = ""
    assert exchange.deliver().new == 0
    assert exchange.deliver(asked=Asked(retry_refused=True)).new == 1
    assert [row["resolved_at"] is not None for row in exchange.rejected()] == [True]


def test_members_are_created_once(exchange: Exchange) -> None:
    exchange.history(cell(JAN_6), cell(JAN_6, "B"))
    first = exchange.deliver()
    assert first.members_created > 3
    exchange.history(cell(JAN_6), cell(JAN_6, "B", "5"))
    assert exchange.deliver().members_created == 0


@pytest.mark.faults
def test_a_refused_cell_that_is_no_longer_wanted_stands_no_longer(tmp_path: Path) -> None:
    exchange = Exchange(tmp_path)
    exchange.history(cell(JAN_6, orders="5"), cell(JAN_6, "B"))
    exchange.deliver()
    exchange.faults.poison = '"Orders": *[68]'
    exchange.history(cell(JAN_6, orders="6"), cell(JAN_6, "B"), cell(JAN_6, "C", "8"), cell(JAN_13, "D", "8"))
    assert exchange.deliver().rejected == 3
    # A is again as o9 holds it, C is gone, D is refused as before.
    exchange.history(cell(JAN_6, orders="5"), cell(JAN_6, "B"), cell(JAN_13, "D", "8"))
    assert exchange.deliver().requests == 0
    assert [(row["item_code"], row["resolved_at"] is not None) for row in exchange.rejected()] == [
        ("A", True),
        ("C", True),
        ("D", False),
    ]


@pytest.mark.faults
def test_what_another_place_refused_of_a_delivery_that_was_cut_off_holds_nothing_back(
    exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    exchange.history(cell(JAN_6), cell(JAN_13, "B"))
    exchange.deliver()
    there, other = exchange.settings, parse(SETTINGS.replace("Orders, ", "Sales Orders, "))
    exchange.settings = other
    exchange.history(cell(JAN_6), cell(JAN_13, "B"), cell(JAN_13, "C", "9"))
    exchange.faults.poison = '"C".*Sales Orders'

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr("o9_assets.exchange.delivery.enter", die)
        exchange.deliver()
    exchange.settings = there
    assert exchange.deliver().new == 1
    assert ("C", "2025-W03") in exchange.held()
