"""The star schema is filled from the lake through its assets, agrees with it, and follows its changes by slice."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pyarrow as pa
import pytest

from o9_assets.assets.curated.demand_history import DEMAND_HISTORY
from o9_assets.assets.curated.items import ITEMS
from o9_assets.assets.curated.locations import LOCATIONS
from o9_assets.assets.forecast.backtest import BACKTEST
from o9_assets.assets.forecast.predictions import PREDICTIONS
from o9_assets.assets.warehouse import accuracy, demand, forecast, items, locations, weeks
from o9_assets.dataset import Dataset
from o9_assets.planning.settings import Settings, load
from o9_assets.resources.configured import EngineResource, LakeResource, WarehouseResource
from o9_assets.resources.lake import Lake, everything

ROOT = Path(__file__).resolve().parents[3]
CYCLE = "2026-06-29"
NOW = datetime(2026, 6, 29, 5)


@dataclass
class Company:
    settings: Settings
    lake: Lake
    state: Path

    def put(self, dataset: Dataset, *rows: Mapping[str, Any]) -> None:
        """Make a table of the lake hold these rows; columns that are not given are null."""
        whole = [{column: row.get(column) for column in dataset.column_names} for row in rows]
        self.lake.overwrite(dataset, pa.Table.from_pylist(whole, schema=dataset.arrow_schema), everything())

    def run(self, *modules: Any, cycle: str = CYCLE) -> dg.ExecuteInProcessResult:
        built = [thing for module in modules for thing in module.build(self.settings)]
        return dg.materialize(
            built,
            partition_key=cycle if any(m in (forecast, accuracy) for m in modules) else None,
            resources={
                "lake": LakeResource(location=str(self.state / "lake")),
                "engine": EngineResource(memory_limit="500MB"),
                "warehouse": WarehouseResource(path=str(self.state / "warehouse.duckdb")),
            },
            raise_on_error=False,
        )

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.state / "warehouse.duckdb"), read_only=True) as con:
            return con.execute(query).fetchall()


def cell(
    bucket: date, week: date, quantity: str | None, state: str = "sold", item: str = "A", **more: Any
) -> dict[str, Any]:
    value = None if quantity is None else Decimal(quantity)
    return {
        "month_start": bucket.replace(day=1),
        "bucket_start": bucket,
        "week_start": week,
        "item_code": item,
        "location_code": "ST-1",
        "channel_code": "RETAIL",
        "state": state,
        "orders_quantity": value,
        "returns_quantity": None if value is None else Decimal(0),
        "orders_value": None if value is None else value * 2,
        "order_line_count": 0 if value is None else 1,
        "is_complete": state != "missing",
        "days": 7,
        **more,
    }


@pytest.fixture
def company(tmp_path: Path) -> Company:
    made = Company(load(ROOT / "planning.yaml"), Lake.local(tmp_path / "lake"), tmp_path)
    made.put(
        ITEMS,
        {"item_code": "A", "item_name": "Chocolate", "list_price": Decimal("1.29"), "in_master": True, "known_at": NOW},
        {"item_code": "B", "in_master": False, "known_at": NOW},
    )
    moved = datetime(2026, 1, 12)
    made.put(
        LOCATIONS,
        {
            "location_code": "ST-1",
            "valid_from_at": datetime(2023, 6, 26),
            "valid_to_at": moved,
            "is_current": False,
            "region_name": "East",
            "in_master": True,
        },
        {"location_code": "ST-1", "valid_from_at": moved, "is_current": True, "region_name": "West", "in_master": True},
    )
    made.put(
        DEMAND_HISTORY,
        cell(date(2026, 6, 15), date(2026, 6, 15), "10"),
        cell(date(2026, 6, 22), date(2026, 6, 22), "0", "true_zero"),
        # A week cut by the month's end: its second part is not known.
        cell(date(2026, 6, 29), date(2026, 6, 29), "4.5", days=2),
        cell(date(2026, 7, 1), date(2026, 6, 29), None, "missing", days=5),
        cell(date(2026, 6, 22), date(2026, 6, 22), "7", item="B"),
    )
    return made


STAR = (items, locations, weeks, demand)


def passed(result: dg.ExecuteInProcessResult) -> dict[str, bool]:
    return {f"{e.asset_key.path[-1]}.{e.check_name}": e.passed for e in result.get_asset_check_evaluations()}


def test_a_week_is_the_sum_of_its_parts_and_incomplete_where_one_is(company: Company) -> None:
    assert company.run(*STAR).success
    assert company.ask(
        "SELECT week_start, item_code, state, orders_quantity, is_complete, days FROM demand ORDER BY ALL"
    ) == [
        (date(2026, 6, 15), "A", "sold", Decimal("10.0000"), True, 7),
        (date(2026, 6, 22), "A", "true_zero", Decimal("0.0000"), True, 7),
        (date(2026, 6, 22), "B", "sold", Decimal("7.0000"), True, 7),
        (date(2026, 6, 29), "A", "missing", Decimal("4.5000"), False, 7),
    ]


def test_every_table_is_compared_with_the_lake(company: Company) -> None:
    result = company.run(*STAR)
    assert passed(result) == {
        "items.agrees_with_the_lake": True,
        "locations.agrees_with_the_lake": True,
        "weeks.agrees_with_the_lake": True,
        "demand.agrees_with_the_lake": True,
        "demand.members_are_in_the_dimensions": True,
    }


def test_a_second_load_writes_nothing(company: Company) -> None:
    company.run(*STAR)
    result = company.run(*STAR)
    for event in result.get_asset_materialization_events():
        assert event.materialization.metadata["rows inserted"].value == 0
        assert event.materialization.metadata["rows deleted"].value == 0


def test_only_weeks_that_changed_are_replaced(company: Company) -> None:
    company.run(*STAR)
    company.put(
        DEMAND_HISTORY,
        cell(date(2026, 6, 15), date(2026, 6, 15), "10"),
        cell(date(2026, 6, 22), date(2026, 6, 22), "3"),
        cell(date(2026, 6, 22), date(2026, 6, 22), "4", item="B"),
    )
    result = company.run(demand)
    (event,) = result.get_asset_materialization_events()
    # Week 22 changed though its sum did not; week 29 is gone; week 15 was left alone.
    assert event.materialization.metadata["groups that differed"].value == 2
    assert event.materialization.metadata["rows inserted"].value == 2
    assert company.ask("SELECT count(*), sum(orders_quantity) FROM demand") == [(3, Decimal("17.0000"))]


def test_the_week_dimension_bears_the_companys_names(company: Company) -> None:
    company.run(*STAR)
    assert company.ask(
        "SELECT week_end, week_label, month_start, fiscal_year, iso_week FROM weeks WHERE week_start = '2026-06-29'"
    ) == [(date(2026, 7, 5), "2026-W27", date(2026, 6, 1), 2026, 27)]
    # It reaches a year beyond the last week, so that every forecast finds its week.
    assert company.ask("SELECT min(week_start), max(week_start) >= '2027-06-28' FROM weeks") == [
        (date(2026, 6, 15), True)
    ]


def test_a_report_by_region_follows_a_location_that_moved(company: Company) -> None:
    company.put(
        DEMAND_HISTORY,
        cell(date(2026, 1, 5), date(2026, 1, 5), "1"),
        cell(date(2026, 1, 12), date(2026, 1, 12), "2"),
    )
    company.run(*STAR)
    assert company.ask(
        """
        SELECT region_name, sum(orders_quantity) FROM demand d JOIN locations l
        ON l.location_code = d.location_code
        AND d.week_start >= l.valid_from_at AND (l.valid_to_at IS NULL OR d.week_start < l.valid_to_at)
        GROUP BY 1 ORDER BY 1
        """
    ) == [("East", Decimal("1.0000")), ("West", Decimal("2.0000"))]


def test_a_fact_without_its_dimension_fails_the_blocking_check(company: Company) -> None:
    company.run(*STAR)
    company.put(DEMAND_HISTORY, cell(date(2026, 6, 15), date(2026, 6, 15), "10", item="NEW"))
    result = company.run(demand)
    (check,) = [e for e in result.get_asset_check_evaluations() if not e.passed]
    assert check.check_name == "members_are_in_the_dimensions"
    assert check.description == "Without a row in the dimension – items: NEW."


@pytest.mark.faults
def test_a_warehouse_that_lost_rows_is_made_whole_by_the_next_load(company: Company) -> None:
    company.run(*STAR)
    with duckdb.connect(str(company.state / "warehouse.duckdb")) as con:
        con.execute("DELETE FROM demand WHERE item_code = 'B'")
    company.run(demand)
    assert company.ask("SELECT count(*) FROM demand") == [(4,)]


def test_an_empty_lake_gives_empty_tables(tmp_path: Path) -> None:
    empty = Company(load(ROOT / "planning.yaml"), Lake.local(tmp_path / "lake"), tmp_path)
    result = empty.run(*STAR)
    assert result.success
    assert all(passed(result).values())
    assert empty.ask("SELECT (SELECT count(*) FROM demand), (SELECT count(*) FROM weeks)") == [(0, 0)]
