"""A correction of published history shows its difference before it is sent, and waits where the settings say so."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from o9_assets.exchange.corrections import NotApproved
from o9_assets.exchange.datasets import CORRECTIONS, HELD, PLANNED
from o9_assets.exchange.delivery import Asked, DeliveryReport
from o9_assets.planning.settings import parse
from o9_assets_tests.company import SETTINGS
from o9_assets_tests.exchange import Exchange, cell

JAN_6, FEB_3 = date(2025, 1, 6), date(2025, 2, 3)
HOLDING = parse(SETTINGS.replace("forecast:", "  corrections: hold\nforecast:", 1))


@pytest.fixture
def exchange(tmp_path: Path) -> Exchange:
    """Two months are published; then January loses a cell and changes another, and February gets a new one."""
    made = Exchange(tmp_path, settings=HOLDING)
    made.history(cell(JAN_6, orders="5"), cell(JAN_6, "B", "7"), cell(FEB_3, orders="1"))
    made.deliver()
    made.history(cell(JAN_6, orders="4"), cell(FEB_3, orders="1"), cell(FEB_3, "B", "2"))
    return made


def corrected(exchange: Exchange) -> list[tuple[str, str]]:
    return [(row["item_code"], row["change"]) for row in exchange.lake.read(CORRECTIONS).to_pylist()]


def held(exchange: Exchange) -> set[tuple[str, str]]:
    return {(row["item_code"], row["change"]) for row in exchange.lake.read(HELD).to_pylist()}


def assert_difference(report: DeliveryReport) -> str:
    found = report.difference
    assert found is not None
    assert (found.replaced, found.retracted) == (1, 1)
    assert [str(month) for month in found.months] == [
        "2025-01 Orders: 2 cells, 12.0000 → 4.0000",
        "2025-01 Returns: 1 cells, 0.0000 → 0.0000",
    ]
    assert found.cells[0] == ("Orders", "2025-W02", "B", "L1", "ALL", "retracted", "7.0000", "")
    return found.difference_id


def test_a_dry_run_shows_the_difference_and_sends_and_writes_nothing(exchange: Exchange) -> None:
    before = exchange.store.received(), exchange.lake.snapshot_id(PLANNED), exchange.books()
    told: list[str] = []
    report = exchange.deliver(asked=Asked(dry_run=True), progress=told.append)
    assert_difference(report)
    assert (report.new, report.delivery_id) == (1, None)
    assert told[1] == "2025-01 Orders: 2 cells, 12.0000 → 4.0000"
    assert before == (exchange.store.received(), exchange.lake.snapshot_id(PLANNED), exchange.books())
    assert held(exchange) == set()


def test_a_correction_is_held_until_a_person_approves_that_difference_and_new_cells_go_on(exchange: Exchange) -> None:
    report = exchange.deliver()
    found = assert_difference(report)
    assert (report.new, report.replaced, report.retracted, report.held) == (1, 0, 0, 2)
    assert exchange.held()[("A", "2025-W02")]["Orders"] == 5 and ("B", "2025-W06") in exchange.held()
    assert held(exchange) == {("A", "replaced"), ("B", "retracted")}
    again = exchange.deliver()
    assert (again.requests, again.held) == (0, 2), "it waits, and nothing is sent twice"
    approved = exchange.deliver(asked=Asked(approve_corrections=found))
    assert (approved.replaced, approved.retracted, approved.held) == (1, 1, 0)
    assert exchange.held() == exchange.books()
    assert ("B", "2025-W02") not in exchange.held()
    assert corrected(exchange) == [("A", "replaced"), ("B", "retracted")]
    assert held(exchange) == set()
    assert exchange.deliver().requests == 0


def test_an_approval_of_another_difference_sends_nothing(exchange: Exchange) -> None:
    found = assert_difference(exchange.deliver())
    exchange.history(cell(JAN_6, orders="3"))
    before = exchange.store.received()
    with pytest.raises(NotApproved, match="by now, not"):
        exchange.deliver(asked=Asked(approve_corrections=found))
    assert exchange.store.received() == before


def test_a_held_correction_that_is_taken_back_waits_no_longer(exchange: Exchange) -> None:
    exchange.deliver()
    exchange.history(cell(JAN_6, orders="5"), cell(JAN_6, "B", "7"))
    report = exchange.deliver()
    assert (report.held, report.requests, held(exchange)) == (0, 0, set())


def test_a_month_that_is_gone_whole_is_held_too(exchange: Exchange) -> None:
    from o9_assets.assets.curated.demand_history import DEMAND_HISTORY
    from o9_assets.resources.lake import everything

    exchange.lake.overwrite(DEMAND_HISTORY, DEMAND_HISTORY.arrow_schema.empty_table(), everything())
    for _ in range(2):
        assert exchange.deliver().held == 3
    found = exchange.deliver().difference
    assert found is not None
    exchange.deliver(asked=Asked(approve_corrections=found.difference_id))
    assert exchange.held() == {}


def test_where_corrections_are_sent_the_difference_is_told_first(tmp_path: Path) -> None:
    exchange = Exchange(tmp_path)
    exchange.history(cell(JAN_6, orders="5"))
    exchange.deliver()
    exchange.history(cell(JAN_6, orders="6"), cell(JAN_6 + timedelta(weeks=1), orders="1"))
    told: list[tuple[str, int]] = []
    exchange.deliver(progress=lambda text: told.append((text, len(exchange.store.received()))))
    [(_, batches)] = [one for one in told if one[0] == "2025-01 Orders: 1 cells, 5.0000 → 6.0000"]
    assert batches == 1, "nothing of the correction was sent yet"
    [row] = exchange.lake.read(CORRECTIONS).to_pylist()
    assert (row["was_orders_quantity"], row["orders_quantity"]) == (Decimal(5), Decimal(6))


def test_what_is_held_waits_since_it_was_found(exchange: Exchange) -> None:
    found = datetime(2025, 3, 2, 8)
    exchange.deliver(now=found)
    snapshot = exchange.lake.snapshot_id(HELD)
    exchange.deliver(now=found + timedelta(days=7))
    assert {row["held_at"] for row in exchange.lake.read(HELD).to_pylist()} == {found}
    assert exchange.lake.snapshot_id(HELD) == snapshot
