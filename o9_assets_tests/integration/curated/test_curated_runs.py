"""Curated tables through landing zone and lake: what runs keep is what a rebuild makes, now and of any past moment."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from o9_assets.assets.curated import demand_history, order_lines
from o9_assets.assets.curated.as_of import demand_history_as_of, order_lines_as_of
from o9_assets.assets.curated.demand_history import DEMAND_HISTORY
from o9_assets.assets.curated.demand_segments import DEMAND_SEGMENTS
from o9_assets.assets.curated.items import ITEMS
from o9_assets.assets.curated.locations import LOCATIONS
from o9_assets.assets.curated.order_lines import ORDER_LINES
from o9_assets.assets.raw.erp_orders import ERP_ORDERS
from o9_assets.assets.raw.erp_shipments import ERP_SHIPMENTS
from o9_assets.dataset import Dataset
from o9_assets.demand.datasets import DELETED_LINES, UNIT_FACTORS
from o9_assets.landing import ingest
from o9_assets.landing.datasets import MANIFEST
from o9_assets.landing.replay import reread
from o9_assets.planning.settings import bind, parse
from o9_assets.resources.lake import CommitConflict, everything
from o9_assets_tests.integration.curated.conftest import SETTINGS, Company


def days(company: Any) -> list[Any]:
    """Four runs with late, changed, cancelled, deleted and replaced rows; gives the tables after each."""
    after = []
    company.land("units/1.csv", "*,CASE,2020-01-01,12")
    company.land("items/1.csv", "A,EA,2020-01-01,", "B,EA,,")
    company.order("2025-01-27", "S1 1 A 10", "S1 2 B 2 unit=CASE", "S2 1 A 4 requested=2025-02-03")
    company.order("2025-01-28")
    company.refresh()
    after.append((company.now, company.rows(ORDER_LINES), company.rows(DEMAND_HISTORY)))
    company.order("2025-01-30", "S1 1 A 11 op=U", "S3 1 A -2 changed_at=2025-01-30T08:00:00")
    company.land("stock/1.csv", "B,L1,2025-01-30,0", "B,L1,2025-01-31,0")
    company.refresh()
    after.append((company.now, company.rows(ORDER_LINES), company.rows(DEMAND_HISTORY)))
    # The 29th comes late; S2 is cancelled by name, S1/2 deleted; the unit holds more from February on.
    company.order("2025-01-29", "S4 1 B 1 unit=CASE", "S5 1 A 1 unit=KAR")
    company.order("2025-01-31", "S6 1 A -4 cancels_order=S2 cancels_line=1", "S1 2 B 2 op=D")
    company.land("units/2.csv", "*,CASE,2025-01-29,24")
    company.refresh()
    after.append((company.now, company.rows(ORDER_LINES), company.rows(DEMAND_HISTORY)))
    # The file of the 30th is replaced: the change of S1/1 and the return are gone.
    company.order("2025-01-30", "S7 1 B 3 location=L2")
    company.order("2025-02-02")
    company.land("shipments/2025-02-02.csv", "D1,1,A,L1,,2025-01-29,9,", "D2,1,B,L1,,2025-02-01,1,CASE")
    company.refresh()
    after.append((company.now, company.rows(ORDER_LINES), company.rows(DEMAND_HISTORY)))
    return after


def killed_at(company: Any, monkeypatch: pytest.MonkeyPatch, dataset: Dataset, run: Callable[[], Any]) -> None:
    """Do something that is killed when it is about to write the dataset."""
    written = company.lake.overwrite

    def overwrite(written_to: Dataset, *given: Any, **keys: Any) -> Any:
        if written_to is dataset:
            raise KeyboardInterrupt
        return written(written_to, *given, **keys)

    with monkeypatch.context() as patch:
        patch.setattr(company.lake, "overwrite", overwrite)
        with pytest.raises(KeyboardInterrupt):
            run()


def is_what_a_rebuild_makes(company: Any) -> bool:
    """Whether the curated tables hold what they do when they are made anew."""
    tables = (ITEMS, LOCATIONS, ORDER_LINES, DELETED_LINES, DEMAND_HISTORY)
    kept = [company.rows(dataset) for dataset in tables]
    company.curate(rebuild=True)
    return [company.rows(dataset) for dataset in tables] == kept


def read_again(company: Any, dataset: Dataset, name: str) -> Any:
    """Read an object again with the settings that the company has now, an hour after what came last."""
    company.now += timedelta(hours=1)
    feed = dataset.name.split(".")[1]
    made = {given: getattr(company, given) for given in ("zone", "lake", "engine", "now")}
    return reread(feed, bind(company.settings, dataset), dataset, [name], timezone="UTC", **made)


def test_runs_leave_what_a_rebuild_makes(company: Any) -> None:
    *_, (_, lines, history) = days(company)
    company.curate(rebuild=True)
    assert company.rows(ORDER_LINES).equals(lines)
    assert company.rows(DEMAND_HISTORY).equals(history)


def test_the_past_is_what_a_run_made_then(company: Any) -> None:
    for moment, lines, history in days(company):
        assert order_lines_as_of(moment, lake=company.lake, engine=company.engine).equals(lines)
        assert demand_history_as_of(moment, lake=company.lake, engine=company.engine).equals(history)


def test_the_past_is_read_with_the_settings_of_then(company: Any) -> None:
    company.order("2025-01-27", "S1 1 A 10 requested=2025-02-03")
    company.refresh()
    then, history = company.now, company.rows(DEMAND_HISTORY)
    company.settings = parse(company.settings.text.replace("demand_date: requested_date", "demand_date: order_date"))
    company.refresh()
    assert not company.rows(DEMAND_HISTORY).equals(history)
    assert demand_history_as_of(then, lake=company.lake, engine=company.engine).equals(history)


@pytest.mark.parametrize("known_at", ["covers_date", "changed_at"])
def test_history_that_was_loaded_later_is_read_as_it_became_known(tmp_path: Path, known_at: str) -> None:
    path = '    path: "orders/{covers_date:%Y-%m-%d}*.csv"\n'
    company = Company(tmp_path, parse(SETTINGS.replace(path, f"{path}    known_at: {known_at}\n")))
    company.order("2025-01-06", "O1 1 A 5")
    company.order("2025-02-10", "O1 1 A 7 ordered=2025-01-06 op=U")
    company.refresh()

    def known(moment: datetime) -> list[tuple[str, Decimal]]:
        rows = order_lines_as_of(moment, lake=company.lake, engine=company.engine).to_pylist()
        return [(row["order_id"], row["quantity"]) for row in rows]

    assert known(datetime(2025, 1, 5)) == []
    assert known(datetime(2025, 1, 20)) == [("O1", Decimal(5))]
    assert known(datetime(2025, 2, 20)) == [("O1", Decimal(7))]
    history = demand_history_as_of(datetime(2025, 1, 20), lake=company.lake, engine=company.engine)
    assert max(row["bucket_start"] for row in history.to_pylist()) == date(2025, 1, 6)


def test_of_versions_in_one_file_the_later_holds_without_line_numbers_too(new_company: Any) -> None:
    company = new_company(parse(SETTINGS.replace("{type: csv}", "{type: csv}\n    line_numbers: false")))
    first, second = "changed_at=2025-01-06T10:00:00", "changed_at=2025-01-06T11:00:00"
    company.order("2025-01-06", f"S1 1 A 7 {second}", f"S1 1 A 5 {first}", f"S2 1 A 1 {first}", f"S2 1 A 2 {first}")
    company.land("shipments/2025-01-12.csv", "D1,1,A,L1,,2025-01-06,1,", "D1,1,A,L1,,2025-01-06,2,")
    company.refresh()
    assert {key: line["quantity"] for key, line in company.lines().items()} == {"S1/1": 7, "S2/1": 2}
    company.order("2025-01-07", f"S3 1 A 5 {first}", f"S3 1 A 7 {second}")
    company.refresh()
    assert {key: line["quantity"] for key, line in company.lines().items()} == {"S1/1": 7, "S2/1": 2, "S3/1": 7}
    assert [cell["shipments_quantity"] for cell in company.cells("A")] == [2]


def test_a_run_with_nothing_new_writes_nothing(company: Any) -> None:
    days(company)
    before = [company.lake.snapshot_id(d) for d in (ITEMS, ORDER_LINES, DEMAND_HISTORY)]
    lines, history = company.refresh()
    assert (lines.months, history.buckets) == ([], [])
    assert [company.lake.snapshot_id(d) for d in (ITEMS, ORDER_LINES, DEMAND_HISTORY)] == before


def test_an_object_read_again_leaves_nothing_of_what_it_said_before(company: Any) -> None:
    company.order("2025-01-27", "S1 1 A 10")
    company.land("shipments/2025-02-02.csv", "D1,1,A,L1,2025-02-09,2025-01-28,9,")
    company.refresh()
    assert [str(cell["shipments_quantity"]) for cell in company.cells("A")] == ["9.0000", "0.0000"]
    # The day that was read at first is not the one that the goods left on: the file has that in another column.
    mended = company.settings.text.replace("channel_code: channel, ship_date: day", "ship_date: channel")
    company.settings = parse(mended)
    read_again(company, ERP_SHIPMENTS, "shipments/2025-02-02.csv")
    company.refresh()
    history = company.rows(DEMAND_HISTORY)
    assert [str(cell["shipments_quantity"]) for cell in company.cells("A")] == ["0.0000", "0.0000", "9.0000"]
    company.curate(rebuild=True)
    assert company.rows(DEMAND_HISTORY).equals(history)


@pytest.mark.faults
@pytest.mark.parametrize("replaced", [False, True], ids=["tried again", "replaced before it is tried again"])
def test_deletions_of_a_run_that_died_are_counted_once_or_forgotten(
    company: Any, monkeypatch: pytest.MonkeyPatch, replaced: bool
) -> None:
    company.order("2025-01-27", "S1 1 A 10", "S2 1 A 4")
    company.refresh()
    company.order("2025-01-28", "S1 1 A 10 op=D")
    written = company.lake.overwrite

    def dies(dataset: Any, *given: Any, **keys: Any) -> Any:
        if dataset is ORDER_LINES:
            raise KeyboardInterrupt
        return written(dataset, *given, **keys)

    monkeypatch.setattr(company.lake, "overwrite", dies)
    with pytest.raises(KeyboardInterrupt):
        company.refresh()
    monkeypatch.undo()
    assert company.rows(DELETED_LINES).num_rows == 1
    if replaced:
        company.order("2025-01-28", "S3 1 A 1")
    company.refresh()
    lines, deleted = company.rows(ORDER_LINES), company.rows(DELETED_LINES)
    assert sorted(company.lines()) == (["S1/1", "S2/1", "S3/1"] if replaced else ["S2/1"])
    assert deleted.num_rows == (0 if replaced else 1)
    company.curate(rebuild=True)
    assert (company.rows(ORDER_LINES), company.rows(DELETED_LINES)) == (lines, deleted)


@pytest.mark.faults
@pytest.mark.parametrize("rebuild", [False, True], ids=["merge", "rebuild"])
def test_deletions_of_a_run_that_came_first_are_not_written_over(
    company: Any, monkeypatch: pytest.MonkeyPatch, rebuild: bool
) -> None:
    company.order("2025-01-27", "S1 1 A 10", "S2 1 A 4", "S3 1 A 1 op=D")
    company.refresh()
    company.order("2025-01-28", "S1 1 A 10 op=D", "S3 1 A 1 op=U")
    written = company.lake.overwrite

    def second(dataset: Any, *given: Any, **keys: Any) -> Any:
        """Before this run keeps its deletions, another one has taken in a further file."""
        if dataset is DELETED_LINES:
            monkeypatch.undo()
            company.order("2025-01-29", "S2 1 A 4 op=D")
            company.refresh()
        return written(dataset, *given, **keys)

    monkeypatch.setattr(company.lake, "overwrite", second)
    with pytest.raises(CommitConflict):
        company.refresh(rebuild=rebuild)
    assert sorted(company.rows(DELETED_LINES)["order_id"].to_pylist()) == ["S1", "S2"]
    company.refresh()
    assert sorted(company.lines()) == ["S3/1"]
    deleted = company.rows(DELETED_LINES)
    company.curate(rebuild=True)
    assert company.rows(DELETED_LINES).equals(deleted)


def test_a_late_change_makes_only_its_weeks_anew(company: Any) -> None:
    for day in range(1, 29):
        company.order(f"2025-01-{day:02d}", f"S{day} 1 A 1")
    company.refresh()
    company.order("2025-01-29", "S7 1 A 5 op=U ordered=2025-01-07 requested=2025-01-07")
    lines, history = company.refresh()
    assert lines.demand_days == [date(2025, 1, 7)]
    assert history.buckets == [date(2025, 1, 6)]
    assert [c["orders_quantity"] for c in company.cells("A")][:3] == [Decimal(5), Decimal(11), Decimal(7)]


def test_weeks_are_made_anew_on_request(company: Any) -> None:
    for day in range(1, 29):
        company.order(f"2025-01-{day:02d}", f"S{day} 1 A 1")
    company.refresh()
    before = company.rows(DEMAND_HISTORY)
    _, history = company.refresh(weeks=(date(2025, 1, 8), date(2025, 1, 15)))
    assert history.buckets == [date(2025, 1, 6), date(2025, 1, 13)]
    assert company.rows(DEMAND_HISTORY).equals(before)


def test_kinds_units_and_issues_of_lines(company: Any) -> None:
    days(company)
    lines = company.lines()
    assert {key: (row["kind"], row["counts_as"], row["issue"]) for key, row in lines.items()} == {
        "S1/1": ("sale", "orders", None),
        "S2/1": ("cancelled", "none", None),
        "S4/1": ("sale", "orders", None),
        "S5/1": ("sale", "none", "unknown_uom"),
        "S6/1": ("cancellation", "none", None),
        "S7/1": ("sale", "orders", None),
    }
    assert lines["S1/1"]["quantity"] == 10
    assert lines["S4/1"]["base_quantity"] == 24


def test_cells_tell_zero_from_unknown(company: Any) -> None:
    days(company)
    first, second = company.cells("B")[0], company.cells("B")[1]
    assert (first["bucket_start"], first["location_code"], first["state"]) == (date(2025, 1, 27), "L1", "sold")
    assert (first["orders_quantity"], first["out_of_stock_days"], first["is_complete"]) == (Decimal(24), 2, True)
    assert (second["bucket_start"], second["location_code"], second["state"]) == (date(2025, 1, 27), "L2", "sold")
    weekend = [c for c in company.cells("B") if c["bucket_start"] == date(2025, 2, 1)]
    # The first of February's file never came, so nothing is known of that weekend's orders; its shipments are.
    assert [(c["state"], c["orders_quantity"], c["shipments_quantity"]) for c in weekend] == [
        ("missing", None, Decimal(24)),
        ("missing", None, Decimal(0)),
    ]


@pytest.mark.faults
@pytest.mark.parametrize("rebuild", [False, True], ids=["merged", "rebuilt"])
@pytest.mark.parametrize("then", [10, 24], ids=["set back", "corrected again"])
@pytest.mark.parametrize(
    "dies", [UNIT_FACTORS, ORDER_LINES, DEMAND_HISTORY, DEMAND_SEGMENTS], ids=lambda dataset: dataset.name
)
def test_units_that_change_around_a_run_that_died(
    company: Any, monkeypatch: pytest.MonkeyPatch, dies: Dataset, then: int, rebuild: bool
) -> None:
    company.land("units/1.csv", "*,CASE,2020-01-01,10")
    company.order("2025-01-27", "S1 1 A 1 unit=CASE")
    company.land("shipments/2025-01-27.csv", "D1,1,A,L1,,2025-01-20,1,CASE")
    company.refresh()
    company.land("units/2.csv", "*,CASE,2020-01-01,12")
    company.order("2025-01-28", "S2 1 B 1 unit=CASE")
    killed_at(company, monkeypatch, dies, lambda: company.refresh(rebuild=rebuild))
    company.land("units/3.csv", f"*,CASE,2020-01-01,{then}")
    company.refresh()
    cells = company.cells("A")
    assert (cells[-1]["bucket_start"], cells[-1]["orders_quantity"]) == (date(2025, 1, 27), Decimal(then))
    assert (cells[0]["bucket_start"], cells[0]["shipments_quantity"]) == (date(2025, 1, 20), Decimal(then))
    assert is_what_a_rebuild_makes(company)
    # Of what runs kept that died nothing is left for long: the factors in use, and those before.
    kept = company.rows(UNIT_FACTORS).to_pylist()
    assert len({row["factors_hash"] for row in kept if row["used_by"] == ORDER_LINES.name}) <= 2


@pytest.mark.faults
def test_factors_that_another_run_wrote_over_are_missed_and_all_is_made_anew(company: Any) -> None:
    company.land("units/1.csv", "*,CASE,2020-01-01,10")
    company.order("2025-01-27", "S1 1 A 1 unit=CASE")
    company.refresh()
    company.lake.overwrite(UNIT_FACTORS, company.rows(UNIT_FACTORS).slice(0, 0), everything())
    company.land("units/2.csv", "*,CASE,2020-01-01,12")
    lines, history = company.refresh()
    assert lines.rebuilt
    assert history.buckets is None
    assert [cell["orders_quantity"] for cell in company.cells("A")] == [Decimal(12)]
    lines, _ = company.refresh()
    assert not lines.rebuilt


@pytest.mark.faults
def test_a_deletion_that_a_run_took_back_and_died_holds_when_its_file_is_replaced(
    company: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    company.order("2025-01-26", "S3 1 A 5", "S1 1 A 1")
    company.order("2025-01-27", "S3 1 A 5 op=D")
    company.refresh()
    company.order("2025-01-28", "S3 1 A 5 op=U")
    killed_at(company, monkeypatch, ORDER_LINES, company.refresh)
    company.order("2025-01-28", "S4 1 A 1")
    company.refresh()
    company.order("2025-01-29", "S3 1 A 6 op=U changed_at=2025-01-26T23:00:00")
    company.refresh()
    assert sorted(company.lines()) == ["S1/1", "S4/1"]
    assert is_what_a_rebuild_makes(company)


def test_what_a_newer_version_hid_holds_again_when_that_cannot_be_read_any_more(company: Any) -> None:
    company.order("2025-01-27", "S1 1 A 10", "S2 1 A 2")
    company.refresh()
    company.order("2025-01-27", "S1 1 A 11")
    company.refresh()
    assert sorted(company.lines()) == ["S1/1"]
    right = company.settings
    company.settings = parse(right.text.replace("order_line: line, item_code", "order_line: lyne, item_code", 1))
    assert read_again(company, ERP_ORDERS, "orders/2025-01-27.csv").set_aside
    company.settings = right
    company.refresh()
    assert {key: row["quantity"] for key, row in company.lines().items()} == {"S1/1": 10, "S2/1": 2}
    assert is_what_a_rebuild_makes(company)


@pytest.mark.faults
@pytest.mark.parametrize("gone", [False, True])
def test_an_object_whose_reading_again_died_is_read_by_the_next_run(
    company: Any, monkeypatch: pytest.MonkeyPatch, gone: bool
) -> None:
    """Another run had taken up its new number before its rows were other ones."""
    company.order("2025-01-27", "S1 1 A 10 price=7")
    company.refresh()
    text = company.settings.text.replace("requested, quantity: quantity", "requested, quantity: price")
    company.settings = parse(text)
    company.curate()
    written, name = company.lake.overwrite, "orders/2025-01-27.csv"

    def after_another(written_to: Dataset, *given: Any, **keys: Any) -> Any:
        if written_to is ERP_ORDERS:
            company.curate()
        return written(written_to, *given, **keys)

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(ingest, "enter_in_manifest", killed)
        patch.setattr(company.lake, "overwrite", after_another)
        read_again(company, ERP_ORDERS, name)
    assert company.lines()["S1/1"]["quantity"] == 10
    if gone:
        (company.home / "landing" / name).unlink()
    company.refresh()
    assert company.lines()["S1/1"]["quantity"] == 7
    assert is_what_a_rebuild_makes(company)
    before = company.lake.snapshot_id(MANIFEST)
    company.ingest()
    assert company.lake.snapshot_id(MANIFEST) == before


@pytest.mark.faults
def test_an_object_read_again_half_and_then_replaced_leaves_nothing_of_what_it_said(
    company: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    company.order("2025-01-27", "S1 1 A 10 price=7", "S2 1 A 2 price=8")
    company.land("shipments/2025-02-02.csv", "D1,1,A,L1,2025-02-09,2025-01-28,9,")
    company.refresh()
    # The price stands for the line, and the channel for the day.
    text = company.settings.text.replace("order_line: line, item_code", "order_line: price, item_code")
    company.settings = parse(text.replace("channel_code: channel, ship_date: day", "ship_date: channel"))
    names = {ERP_ORDERS: "orders/2025-01-27.csv", ERP_SHIPMENTS: "shipments/2025-02-02.csv"}
    for dataset, name in names.items():
        raw = company.lake.snapshot_id(dataset)
        with monkeypatch.context() as patch:
            patch.setattr(ingest, "enter_in_manifest", killed)
            with pytest.raises(KeyboardInterrupt):
                read_again(company, dataset, name)
        assert company.lake.snapshot_id(dataset) != raw
    company.order("2025-01-27", "S1 1 A 4 price=1")
    company.land("shipments/2025-02-02.csv", "D2,1,A,L1,2025-02-09,2025-02-09,1,")
    company.refresh()
    assert sorted(company.lines()) == ["S1/1"]
    assert is_what_a_rebuild_makes(company)


@pytest.mark.faults
@pytest.mark.parametrize("write", [pytest.param(n, marks=() if n % 4 == 0 else pytest.mark.slow) for n in range(47)])
def test_a_run_killed_at_any_write_is_made_good_by_the_next_day_s(
    company: Any, monkeypatch: pytest.MonkeyPatch, write: int
) -> None:
    """What comes next is other input, not what the run that died had before it."""
    written, refreshed, writes = company.lake.overwrite, company.refresh, 0

    def dies(*given: Any, **keys: Any) -> Any:
        nonlocal writes
        writes += 1
        if writes == write + 1:
            raise KeyboardInterrupt
        return written(*given, **keys)

    def refresh() -> None:
        with suppress(KeyboardInterrupt):
            refreshed()

    monkeypatch.setattr(company.lake, "overwrite", dies)
    monkeypatch.setattr(company, "refresh", refresh)
    days(company)
    assert writes > write, "it was never killed"
    company.refresh()
    assert is_what_a_rebuild_makes(company)


def test_of_two_runs_at_once_one_is_told_to_try_again(company: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    company.order("2025-01-27", "S1 1 A 1")
    company.refresh()
    company.order("2025-01-28", "S2 1 A 1")
    company.now = datetime(2025, 3, 2)
    company.ingest()
    real = order_lines.in_parts

    def slow(*args: Any) -> Any:
        # The other run is quicker and commits while this one computes.
        monkeypatch.setattr(order_lines, "in_parts", real)
        order_lines.make(company.settings, company.lake, company.engine, company.now)
        return real(*args)

    monkeypatch.setattr(order_lines, "in_parts", slow)
    with pytest.raises(CommitConflict):
        order_lines.make(company.settings, company.lake, company.engine, company.now)
    company.curate()
    assert sorted(company.lines()) == ["S1/1", "S2/1"]
    assert [c["orders_quantity"] for c in company.cells("A")] == [Decimal(2)]


def test_a_run_that_only_moved_its_watermark_is_seen_by_another_that_changes_lines(
    company: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both begin with the same state; were both let in, they would have one number, and history looks at it once."""
    company.order("2025-01-27", "S1 1 A 10")
    company.refresh()
    written, runs = company.lake.overwrite, list[int]()

    def make() -> None:
        order_lines.make(company.settings, company.lake, company.engine, company.now)

    def overwrite_in_turn(written_to: Dataset, *given: Any, **keys: Any) -> Any:
        if written_to is not ORDER_LINES:
            return written(written_to, *given, **keys)
        runs.append(len(runs))
        if len(runs) == 1:  # The first is about to write: a second begins, for more has come in.
            first.append((written_to, given, keys))
            company.order("2025-01-29", "S2 1 A 5")
            company.ingest()
            with suppress(CommitConflict):
                make()
            return done.pop()
        [(_, theirs, others)] = first  # The second is about to write: the first does, and history sees what it did.
        done.append(written(ORDER_LINES, *theirs, **others))
        demand_history.make(company.settings, company.lake, company.engine, company.now)
        return written(written_to, *given, **keys)

    first: list[Any] = []
    done: list[Any] = []
    company.order("2025-01-28")
    company.ingest()
    with monkeypatch.context() as patch:
        patch.setattr(company.lake, "overwrite", overwrite_in_turn)
        make()
    company.refresh()
    assert set(company.lines()) == {"S1/1", "S2/1"}
    assert sum(cell["orders_quantity"] or 0 for cell in company.cells("A")) == 15


@pytest.mark.parametrize("look", ["marks", "snapshot_id"])
def test_a_run_that_another_overtakes_while_it_looks_where_it_stands_hides_no_lines(
    company: Any, monkeypatch: pytest.MonkeyPatch, look: str
) -> None:
    company.order("2025-01-27", "S1 1 A 10")
    company.refresh()
    company.order("2025-01-28", "S2 1 A 5")
    company.ingest()
    looked = getattr(company.lake, look)

    def make() -> None:
        order_lines.make(company.settings, company.lake, company.engine, company.now)

    def overtaken(dataset: Dataset) -> Any:
        found = looked(dataset)
        if dataset is ORDER_LINES:
            monkeypatch.setattr(company.lake, look, looked)
            make()
            demand_history.make(company.settings, company.lake, company.engine, company.now)
            company.order("2025-01-29", "S3 1 A 2")
            company.ingest()
        return found

    monkeypatch.setattr(company.lake, look, overtaken)
    with suppress(CommitConflict):
        make()
    company.refresh()
    assert set(company.lines()) == {"S1/1", "S2/1", "S3/1"}
    assert sum(cell["orders_quantity"] or 0 for cell in company.cells("A")) == 17


def test_changed_settings_make_everything_anew(company: Any) -> None:
    company.order("2025-01-31", "S1 1 A 10 requested=2025-02-03")
    company.refresh()
    assert [c["bucket_start"] for c in company.cells("A")] == [date(2025, 2, 3)]
    company.settings = parse(company.settings.text.replace("demand_date: requested_date", "demand_date: order_date"))
    lines, history = company.refresh()
    assert lines.rebuilt
    assert history.buckets is None
    assert [c["bucket_start"] for c in company.cells("A")] == [date(2025, 1, 27)]


def test_marks_do_not_pile_up(company: Any) -> None:
    for day in range(20, 29):
        company.order(f"2025-01-{day}", f"S{day} 1 A 1")
        company.refresh()
    touched = [key for key in company.lake.marks(ORDER_LINES) if key.startswith(order_lines.TOUCHED)]
    assert len(touched) == 1
