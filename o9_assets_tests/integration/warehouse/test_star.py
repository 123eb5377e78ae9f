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
    moved = datetime(2026, 1, 11, 23, 30)  # UTC: Monday the 12th in Berlin
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
        cell(date(2020, 1, 6), date(2020, 1, 6), "4"),  # before the master knew the location
        cell(date(2026, 1, 5), date(2026, 1, 5), "1"),
        cell(date(2026, 1, 12), date(2026, 1, 12), "2"),
    )
    company.run(*STAR)
    assert company.ask(
        """
        SELECT region_name, sum(orders_quantity) FROM demand d JOIN locations l
        ON l.location_code = d.location_code
        AND d.week_start >= l.valid_from_date AND d.week_start < l.valid_to_date
        GROUP BY 1 ORDER BY 1
        """
    ) == [("East", Decimal("5.0000")), ("West", Decimal("2.0000"))]


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


def prediction(week: date, lag: int, quantity: float, cycle: str = CYCLE, item: str = "A") -> dict[str, Any]:
    return {
        "cycle": cycle,
        "item_code": item,
        "location_code": "ST-1",
        "channel_code": "RETAIL",
        "week_start": week,
        "lag_weeks": lag,
        "method": "moving_average",
        "mean_quantity": quantity,
        "p10_quantity": quantity / 2,
        "p50_quantity": quantity,
        "p90_quantity": quantity * 2,
    }


def plan_file(company: Company, *rows: tuple[str, str, str, str]) -> None:
    """o9 drops a plan: cycle, item, partial week, quantity. It lands and is taken in like any other file."""
    from o9_assets.assets.raw.o9_plan import O9_PLAN
    from o9_assets.landing.ingest import ingest
    from o9_assets.planning.settings import bind
    from o9_assets.resources.engine import Engine
    from o9_assets.resources.landing_zone import FolderZone

    settings, landing = company.settings, company.state / "landing"
    feed = bind(settings, O9_PLAN)
    header = ",".join(feed.source_columns)
    text = {
        "plan_cycle": 0,
        "item_code": 1,
        "bucket_label": 2,
        "quantity": 3,
    }
    fixed = {"version_name": settings.o9.version, "location_code": "ST-1", "channel_code": "RETAIL"}
    sources = {mapping.source: name for name, mapping in feed.columns.items() if mapping.source}
    lines = [
        ",".join(row[text[sources[s]]] if sources[s] in text else fixed[sources[s]] for s in feed.source_columns)
        for row in rows
    ]
    folder = landing / feed.prefix
    folder.mkdir(parents=True, exist_ok=True)
    name = (
        feed.path.rsplit("/", 1)[1]
        .replace("{covers_date:%Y-%m-%d}", CYCLE)
        .replace("*", f"_{len(list(folder.iterdir()))}")
    )
    (folder / name).write_text("\n".join([header, *lines, ""]), encoding="utf-8")
    report = ingest(
        "o9_plan",
        feed,
        O9_PLAN,
        timezone=settings.timezone,
        zone=FolderZone(landing, settle_seconds=0),
        lake=company.lake,
        engine=Engine(),
        now=datetime(2026, 6, 29, 6, len(list(folder.iterdir()))),
    )
    assert report.accepted_rows == len(rows)


FIRST, SECOND = date(2026, 6, 29), date(2026, 7, 6)


def test_our_forecast_and_o9s_plan_stand_side_by_side_by_week(company: Company) -> None:
    company.put(PREDICTIONS, prediction(FIRST, 1, 11.5), prediction(SECOND, 2, 12.0))
    # The first week is cut by the month's end: o9 plans its two parts; the second version of a cell holds.
    plan_file(company, (CYCLE, "A", "2026-W27A", "3"), (CYCLE, "A", "2026-W27B", "6"), (CYCLE, "A", "2026-W28", "10"))
    plan_file(company, (CYCLE, "A", "2026-W27B", "7"))
    company.run(*STAR)
    result = company.run(forecast)
    assert result.success
    assert passed(result) == {
        "forecast.agrees_with_the_lake": True,
        "forecast.members_are_in_the_dimensions": True,
    }
    assert company.ask(
        "SELECT source, measure_name, week_start, lag_weeks, mean_quantity FROM forecast ORDER BY ALL"
    ) == [
        ("o9", "Stat Fcst", FIRST, 1, 10.0),
        ("o9", "Stat Fcst", SECOND, 2, 10.0),
        ("platform", "forecast", FIRST, 1, 11.5),
        ("platform", "forecast", SECOND, 2, 12.0),
    ]


def test_a_plan_cell_under_an_unknown_label_breaks_the_comparison(company: Company) -> None:
    company.put(PREDICTIONS, prediction(FIRST, 1, 11.5))
    plan_file(company, (CYCLE, "A", "2026-W27A", "3"), (CYCLE, "A", "Week 28", "6"))
    company.run(*STAR)
    result = company.run(forecast)
    assert passed(result)["forecast.agrees_with_the_lake"] is False


def test_a_cycle_is_replaced_and_others_stay(company: Company) -> None:
    company.put(PREDICTIONS, prediction(FIRST, 1, 1.0), prediction(SECOND, 1, 2.0, cycle="2026-07-06"))
    company.run(*STAR)
    company.run(forecast)
    company.run(forecast, cycle="2026-07-06")
    company.put(PREDICTIONS, prediction(SECOND, 1, 5.0, cycle="2026-07-06"))
    company.run(forecast, cycle="2026-07-06")
    assert company.ask("SELECT cycle, mean_quantity FROM forecast ORDER BY ALL") == [
        (CYCLE, 1.0),
        ("2026-07-06", 5.0),
    ]


def test_published_forecasts_are_measured_on_the_cells_that_every_source_has(company: Company) -> None:
    company.put(
        DEMAND_HISTORY,
        cell(date(2026, 6, 29), FIRST, "4", days=2),
        cell(date(2026, 7, 1), FIRST, "4", days=5),
        cell(SECOND, SECOND, "10"),
        cell(FIRST, FIRST, "99", item="B"),
    )
    company.put(
        PREDICTIONS,
        prediction(FIRST, 1, 10.0),
        prediction(SECOND, 2, 7.0),
        prediction(FIRST, 1, 1.0, item="B"),  # which o9 does not plan: left out for both
    )
    plan_file(company, (CYCLE, "A", "2026-W27A", "5"), (CYCLE, "A", "2026-W27B", "4"), (CYCLE, "A", "2026-W28", "0"))
    company.run(*STAR)
    result = company.run(forecast, accuracy)
    assert result.success
    assert company.ask(
        "SELECT source, item_code, lag_weeks, cell_count, actual_quantity, absolute_error_quantity, wape, bias "
        "FROM accuracy WHERE basis = 'published' ORDER BY source, lag_weeks"
    ) == [
        ("o9", "A", 1, 1, 8.0, 1.0, 0.125, 0.125),
        ("o9", "A", 2, 1, 10.0, 10.0, 1.0, -1.0),
        ("platform", "A", 1, 1, 8.0, 2.0, 0.25, 0.25),
        ("platform", "A", 2, 1, 10.0, 3.0, 0.3, -0.3),
    ]


def test_weeks_that_are_not_known_or_were_out_of_stock_are_not_measured(company: Company) -> None:
    company.put(
        DEMAND_HISTORY,
        cell(date(2026, 6, 29), FIRST, "4", days=2),
        cell(date(2026, 7, 1), FIRST, None, "missing", days=5),
        cell(SECOND, SECOND, "0", "out_of_stock"),
    )
    company.put(PREDICTIONS, prediction(FIRST, 1, 10.0), prediction(SECOND, 2, 7.0))
    company.run(*STAR)
    assert company.run(forecast, accuracy).success
    assert company.ask("SELECT count(*) FROM accuracy") == [(0,)]


def test_a_backtest_measures_the_champion_beside_its_reference(company: Company) -> None:
    def tested(method: str, quantity: float, *, champion: bool = False, reference: bool = False) -> dict[str, Any]:
        return {
            "cycle": CYCLE,
            "item_code": "A",
            "location_code": "ST-1",
            "channel_code": "RETAIL",
            "method": method,
            "origin_week_start": date(2026, 6, 15),
            "week_start": date(2026, 6, 15),
            "lag_weeks": 1,
            "forecast_quantity": quantity,
            "actual_quantity": 10.0,
            "is_champion": champion,
            "is_reference": reference,
        }

    company.put(
        BACKTEST,
        tested("ets", 9.0, champion=True),
        tested("seasonal_naive", 14.0, reference=True),
        tested("croston", 2.0),
    )
    company.run(*STAR)
    result = company.run(forecast, accuracy)
    assert passed(result)["accuracy.agrees_with_the_lake"]
    assert company.ask("SELECT basis, source, wape, bias FROM accuracy ORDER BY source") == [
        ("backtest", "platform", 0.1, -0.1),
        ("backtest", "reference", 0.4, 0.4),
    ]


def test_the_queries_of_the_docs_run(company: Company) -> None:
    company.put(PREDICTIONS, prediction(FIRST, 1, 10.0))
    assert company.run(*STAR).success
    assert company.run(forecast, accuracy).success
    page = (ROOT / "docs" / "warehouse.md").read_text(encoding="utf-8")
    queries = [block.split("```")[0] for block in page.split("```sql")[1:]]
    assert len(queries) >= 4
    for query in queries:
        company.ask(query)


def test_a_week_whose_second_part_has_not_come_is_not_measured(company: Company) -> None:
    # Deliveries end with the month: history ends with the first part of the week, which is complete.
    company.put(DEMAND_HISTORY, cell(date(2026, 6, 22), date(2026, 6, 22), "9"), cell(FIRST, FIRST, "4", days=2))
    company.put(PREDICTIONS, prediction(FIRST, 1, 10.0))
    company.run(*STAR)
    assert company.run(forecast, accuracy).success
    assert company.ask("SELECT cell_count, actual_quantity FROM accuracy") == []


def test_sources_that_share_no_cell_are_not_measured_on_different_ones(company: Company) -> None:
    company.put(DEMAND_HISTORY, cell(FIRST, FIRST, "9"), *(cell(SECOND, SECOND, "10", item=item) for item in "AB"))
    company.put(PREDICTIONS, prediction(FIRST, 1, 7.0), prediction(SECOND, 2, 7.0))
    plan_file(company, (CYCLE, "B", "2026-W28", "5"))
    company.run(*STAR)
    assert company.run(forecast, accuracy).success
    assert company.ask("SELECT DISTINCT source, item_code FROM accuracy") == [("platform", "A")]


def transition_file(company: Company, old: str, new: str, effective: str) -> None:
    """An item transition lands and is taken in."""
    from o9_assets.assets.raw.item_transitions import ITEM_TRANSITIONS
    from o9_assets.landing.ingest import ingest
    from o9_assets.planning.settings import bind
    from o9_assets.resources.engine import Engine
    from o9_assets.resources.landing_zone import FolderZone

    zone = FolderZone(company.state / "landing", settle_seconds=0)
    zone.put(f"erp/transitions/{CYCLE}.csv", f"OLD_MATERIAL;NEW_MATERIAL;EFFECTIVE\n{old};{new};{effective}\n".encode())
    report = ingest(
        "item_transitions",
        bind(company.settings, ITEM_TRANSITIONS),
        ITEM_TRANSITIONS,
        timezone=company.settings.timezone,
        zone=zone,
        lake=company.lake,
        engine=Engine(),
        now=NOW,
    )
    assert report.accepted_rows == 1


@pytest.mark.parametrize(
    ("effective", "measured"),
    [("05.07.2026", [("A", 11.0, 11.0)]), ("06.07.2026", [("A", 1.0, 2.0), ("B", 10.0, 9.0)])],
    ids=["effective in the cycle's week", "effective later"],
)
def test_a_replaced_item_s_demand_is_measured_where_the_cycle_forecast_it(
    company: Company, effective: str, measured: list[tuple[Any, ...]]
) -> None:
    transition_file(company, "B", "A", effective)
    company.put(DEMAND_HISTORY, cell(FIRST, FIRST, "2"), cell(FIRST, FIRST, "9", item="B"))
    whole = [prediction(FIRST, 1, 11.0)] if len(measured) == 1 else []
    company.put(PREDICTIONS, *(whole or [prediction(FIRST, 1, 1.0), prediction(FIRST, 1, 10.0, item="B")]))
    # o9 plans both for themselves.
    plan_file(company, (CYCLE, "A", "2026-W27A", "3"), (CYCLE, "B", "2026-W27A", "5"))
    company.run(*STAR)
    assert company.run(forecast, accuracy).success
    query = "SELECT item_code, forecast_quantity, actual_quantity FROM accuracy WHERE source = '{}' ORDER BY 1"
    assert company.ask(query.format("platform")) == measured
    assert sum(row[1] for row in company.ask(query.format("o9"))) == 8.0


def test_a_week_is_measured_where_one_of_several_places_was_in_stock(tmp_path: Path) -> None:
    company = Company(load(ROOT / "planning.yaml"), Lake.local(tmp_path / "lake"), tmp_path)
    grain = company.settings.forecast.model_copy(update={"grain": ("item",)})
    company.settings = company.settings.model_copy(update={"forecast": grain})
    company.put(ITEMS, *({"item_code": item, "in_master": True, "known_at": NOW} for item in "AB"))
    company.put(
        DEMAND_HISTORY,
        cell(FIRST, FIRST, "9"),
        cell(FIRST, FIRST, "0", "out_of_stock", location_code="ST-2"),
        cell(FIRST, FIRST, "0", "out_of_stock", item="B"),
        cell(FIRST, FIRST, "0", "delisted", item="B", location_code="ST-2"),
    )
    everywhere = {"location_code": "ALL", "channel_code": "ALL"}
    company.put(PREDICTIONS, *(prediction(FIRST, 1, 8.0, item=item) | everywhere for item in "AB"))
    company.run(*STAR)
    company.run(forecast, accuracy)
    assert company.ask("SELECT item_code, forecast_quantity, actual_quantity FROM accuracy") == [("A", 8.0, 9.0)]
