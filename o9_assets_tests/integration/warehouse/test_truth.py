"""The sample company goes from its files to the warehouse, and every planted truth is found there, to the last unit.

First without the week that comes late, then with it.
"""

import shutil
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest

from o9_assets.assets.curated import demand_history, demand_segments, items, locations, order_lines
from o9_assets.assets.curated.demand_history import DEMAND_HISTORY
from o9_assets.assets.curated.items import ITEMS
from o9_assets.assets.curated.locations import LOCATIONS
from o9_assets.assets.curated.order_lines import ORDER_LINES
from o9_assets.assets.raw import (
    erp_items,
    erp_locations,
    erp_orders,
    erp_shipments,
    inventory,
    item_transitions,
    promotions,
    uom_conversions,
)
from o9_assets.assets.warehouse import demand as warehouse_demand
from o9_assets.assets.warehouse import items as warehouse_items
from o9_assets.assets.warehouse import locations as warehouse_locations
from o9_assets.assets.warehouse import weeks as warehouse_weeks
from o9_assets.landing.datasets import QUARANTINE
from o9_assets.planning.calendar import Calendar
from o9_assets.planning.settings import Settings, load
from o9_assets.resources.configured import (
    ClockResource,
    EngineResource,
    LakeResource,
    WarehouseResource,
    ZoneResource,
)
from o9_assets.resources.lake import Lake
from o9_assets.sandbox.company import Truth, generate

RAW = (
    *(erp_items, erp_locations, erp_orders, erp_shipments),
    *(inventory, item_transitions, promotions, uom_conversions),
)
CURATED = (items, locations, order_lines, demand_history, demand_segments)
WAREHOUSE = (warehouse_items, warehouse_locations, warehouse_weeks, warehouse_demand)


@dataclass
class Company:
    settings: Settings
    truth: Truth
    state: Path

    @property
    def lake(self) -> Lake:
        return Lake.local(self.state / "lake")

    def refresh(self, at: str) -> dg.ExecuteInProcessResult:
        """Raw, curated and warehouse in one run, as of a moment (UTC)."""
        built = [thing for module in (*RAW, *CURATED, *WAREHOUSE) for thing in module.build(self.settings)]
        return dg.materialize(
            built,
            resources={
                "clock": ClockResource(fixed_at=at),
                "engine": EngineResource(memory_limit="1GB"),
                "lake": LakeResource(location=str(self.state / "lake")),
                "warehouse": WarehouseResource(path=str(self.state / "warehouse.duckdb")),
                "zone": ZoneResource(location=str(self.truth.landing), settle_seconds=0),
            },
        )

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        """A query over the curated tables, quarantine, and the truth's tables."""
        with duckdb.connect() as con:
            for name, dataset in {
                "demand_history": DEMAND_HISTORY,
                "items": ITEMS,
                "locations": LOCATIONS,
                "order_lines": ORDER_LINES,
                "quarantine": QUARANTINE,
            }.items():
                self.lake.view(con, name, dataset)
            con.register("truth", self.truth.demand())
            con.register("truth_before_late", self.truth.demand(with_late=False))
            con.register("truth_shipments", self.truth.shipments())
            first, last = date.fromisoformat(self.truth.first_date), date(2026, 8, 31)
            con.register("days", Calendar(self.settings.calendar).days_table(first, last))
            return con.execute(query).fetchall()

    def differences(self, truth: str) -> list[tuple[Any, ...]]:
        """Days on which order lines and the truth differ, either way."""
        ours = """
            SELECT item_code, location_code, channel_code, demand_date,
                coalesce(sum(base_quantity) FILTER (counts_as = 'orders'), 0)::DECIMAL(18,4),
                coalesce(sum(base_quantity) FILTER (counts_as = 'returns'), 0)::DECIMAL(18,4),
                coalesce(sum("value") FILTER (counts_as = 'orders'), 0)::DECIMAL(18,4),
                count(*)
            FROM order_lines WHERE counts_as <> 'none' GROUP BY ALL
        """
        return self.ask(either_way(ours, f"FROM {truth}"))


def either_way(one: str, other: str) -> str:
    """The query for rows that only one of two queries gives."""
    return f"(FROM ({one}) EXCEPT FROM ({other})) UNION ALL (FROM ({other}) EXCEPT FROM ({one})) LIMIT 10"


def start(state: Path) -> Company:
    """The company before its late week arrives, taken in for the first time."""
    settings = load(Path(__file__).resolve().parents[3] / "planning.yaml")
    made = Company(settings, generate(7, 0.5, state, days=182), state)
    assert made.refresh("2026-06-29T03:00:00").success
    return made


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Company:
    return start(tmp_path_factory.mktemp("before"))


@pytest.fixture(scope="module")
def later(tmp_path_factory: pytest.TempPathFactory) -> Company:
    """A day later: the late week is in, and what it touches was made anew."""
    made = start(tmp_path_factory.mktemp("after"))
    shutil.copytree(made.truth.late, made.truth.landing, dirs_exist_ok=True)
    assert made.refresh("2026-06-30T03:00:00").success
    return made


def test_order_lines_come_to_the_truth_exactly(company: Company) -> None:
    assert company.differences("truth_before_late") == []


def test_the_late_week_changes_them_to_the_whole_truth(later: Company) -> None:
    assert later.differences("truth") == []
    assert later.differences("truth_before_late") != []


def test_demand_history_is_the_truth_by_partial_week(later: Company) -> None:
    # A cell whose delivery is missing knows no zero: what did not move there is null.
    ours = """
        SELECT item_code, location_code, channel_code, bucket_start, coalesce(orders_quantity, 0) AS orders_quantity,
            coalesce(returns_quantity, 0) AS returns_quantity, order_line_count
        FROM demand_history WHERE order_line_count > 0
    """
    truth = """
        SELECT item_code, location_code, channel_code, bucket_start, sum(orders_quantity)::DECIMAL(18,4),
            sum(returns_quantity)::DECIMAL(18,4), sum(order_line_count)::BIGINT
        FROM truth JOIN days ON date = demand_date GROUP BY ALL
    """
    assert later.ask(either_way(ours, truth)) == []


def test_shipments_are_the_truth_by_partial_week(later: Company) -> None:
    ours = """
        SELECT item_code, location_code, channel_code, bucket_start, shipments_quantity
        FROM demand_history WHERE shipments_quantity > 0
    """
    truth = """
        SELECT item_code, location_code, channel_code, bucket_start, sum(shipments_quantity)::DECIMAL(18,4)
        FROM truth_shipments JOIN days ON date = ship_date GROUP BY ALL
    """
    assert later.ask(either_way(ours, truth)) == []


def test_the_day_that_never_came_leaves_its_week_missing_and_no_other(later: Company) -> None:
    (missing,) = later.truth.missing_dates
    assert later.ask(
        f"SELECT DISTINCT bucket_start = (SELECT bucket_start FROM days WHERE date = '{missing}') "
        "FROM demand_history WHERE NOT is_complete AND bucket_start < '2026-06-29'"
    ) == [(True,)]


def test_the_late_week_is_missing_until_it_comes(company: Company) -> None:
    late = ", ".join(f"'{day}'" for day in company.truth.late_dates)
    assert company.ask(
        f"SELECT count(*) FROM demand_history WHERE is_complete "
        f"AND bucket_start IN (SELECT bucket_start FROM days WHERE date IN ({late}))"
    ) == [(0,)]


def test_stock_outs_are_told_from_true_zeros(later: Company) -> None:
    whole_buckets = 0
    for gap in later.truth.stock_outs:
        if gap["start_date"] < later.truth.first_date:
            continue
        states = later.ask(
            f"""
            SELECT DISTINCT state, d.bucket_start FROM demand_history h JOIN
                (SELECT bucket_start, count(*) AS days FROM days
                 WHERE date BETWEEN '{gap["start_date"]}' AND '{gap["end_date"]}' GROUP BY 1) d
            ON d.bucket_start = h.bucket_start AND d.days = h.days
            WHERE item_code = '{gap["item_code"]}' AND location_code = '{gap["location_code"]}'
            """
        )
        assert {state for state, _ in states} <= {"out_of_stock"}
        whole_buckets += len(states)
    assert whole_buckets >= 2


def test_items_know_their_successors_to_the_end_of_the_chain(later: Company) -> None:
    follows = {t["item_code"]: t["successor_item_code"] for t in later.truth.transitions}

    def last(item: str) -> str:
        return last(follows[item]) if item in follows else item

    found = dict(later.ask("SELECT item_code, successor_item_code FROM items WHERE successor_item_code IS NOT NULL"))
    assert found == {item: last(item) for item in follows}


def test_an_item_that_only_orders_name_is_no_item_of_the_master(later: Company) -> None:
    assert later.ask("SELECT item_code FROM items WHERE NOT in_master") == [
        (code,) for code in later.truth.items_outside_master
    ]


def test_the_moved_customer_has_two_periods(later: Company) -> None:
    (move,) = later.truth.region_moves
    for code in move["location_codes"]:
        periods = later.ask(
            f"SELECT region_name, is_current FROM locations WHERE location_code = '{code}' ORDER BY valid_from_at"
        )
        assert periods == [(move["from_region"], False), (move["to_region"], True)]


def test_lines_in_an_unknown_unit_are_kept_with_their_issue(later: Company) -> None:
    stay = {(u["order_id"], u["order_line"]) for u in later.truth.unknown_units if not u["is_corrected"]}
    found = set(later.ask("SELECT order_id, order_line FROM order_lines WHERE issue = 'unknown_uom'"))
    corrected = {(u["order_id"], u["order_line"]) for u in later.truth.unknown_units if u["is_corrected"]}
    assert stay
    # A correction may come in a file of the days after the history's end, or on the day that never came.
    assert stay <= found <= stay | corrected
    assert len(found & corrected) <= len(corrected) / 2


def test_quarantine_holds_the_broken_rows_and_files_with_place_and_reason(later: Company) -> None:
    found = set(later.ask("SELECT object_name, line, column_name, reason FROM quarantine"))
    rows = {(row.object_name, row.line, row.column, row.reason) for row in later.truth.broken_rows}
    files = {(file.object_name, None, None, file.reason) for file in later.truth.broken_files}
    assert found == rows | files


def test_the_warehouse_holds_the_truth_by_week(later: Company) -> None:
    (whole,) = later.ask("SELECT sum(orders_quantity), sum(returns_quantity), sum(orders_value) FROM truth")
    with duckdb.connect(str(later.state / "warehouse.duckdb"), read_only=True) as con:
        held = con.execute(
            "SELECT sum(orders_quantity), sum(returns_quantity), sum(orders_value) FROM demand"
        ).fetchall()
    assert held == [whole]


def test_a_second_refresh_changes_nothing(later: Company) -> None:
    before = {d.name: later.lake.snapshot_id(d) for d in (ORDER_LINES, DEMAND_HISTORY, ITEMS, LOCATIONS)}
    result = later.refresh("2026-06-30T04:00:00")
    assert {d.name: later.lake.snapshot_id(d) for d in (ORDER_LINES, DEMAND_HISTORY, ITEMS, LOCATIONS)} == before
    inserted = [e.materialization.metadata.get("rows inserted") for e in result.get_asset_materialization_events()]
    assert [entry.value for entry in inserted if entry is not None] == [0] * len(WAREHOUSE)
