"""Items, locations with their history, and segments, from rows as they land."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from o9_assets.assets.raw.erp_items import ERP_ITEMS
from o9_assets.assets.raw.erp_locations import ERP_LOCATIONS
from o9_assets.dataset import Dataset
from o9_assets.demand.parameters import parameters
from o9_assets.demand.queries import query

Rows = list[dict[str, Any]]


def at(hour: int) -> datetime:
    return datetime(2025, 3, 1) + timedelta(hours=hour)


def run(name: str, given: dict[str, str], **tables: tuple[Dataset | pa.Schema, Sequence[dict[str, Any]]]) -> Rows:
    """Rows of a query over given tables; a row's lineage is made where it has none."""
    with duckdb.connect() as con:
        for table, (what, rows) in tables.items():
            lineage = {"op": "I", "change_seq": 0, "object_id": "o", "object_name": "o"}
            full = [{**lineage, "line": n, "known_at": row.get("changed_at"), **row} for n, row in enumerate(rows)]
            schema = what.arrow_schema if isinstance(what, Dataset) else what
            con.register(table, pa.Table.from_pylist(full, schema=schema))
        return con.sql(f"SELECT * FROM ({query(name, given)}) ORDER BY ALL").to_arrow_table().to_pylist()


NAMED = pa.schema([("item_code", pa.string()), ("known_at", pa.timestamp("us"))])
PLACED = pa.schema([("location_code", pa.string()), ("known_at", pa.timestamp("us"))])


@pytest.fixture(scope="module")
def given(settings: Any) -> dict[str, str]:
    return parameters(settings)


def items(given: dict[str, str], versions: Rows, ordered: Rows | None = None) -> Rows:
    return run("items", given, item_versions=(ERP_ITEMS, versions), order_items=(NAMED, ordered or []))


def test_an_item_is_its_latest_version_known_since_it_last_changed(given: dict[str, str]) -> None:
    versions = [
        {"item_code": "A", "item_name": "old", "changed_at": at(1)},
        {"item_code": "A", "item_name": "new", "changed_at": at(2)},
        {"item_code": "A", "item_name": "new", "changed_at": at(3)},
    ]
    [found] = items(given, versions)
    assert (found["item_name"], found["known_at"], found["in_master"]) == ("new", at(2), True)


def test_an_item_that_only_orders_name_is_there_and_says_so(given: dict[str, str]) -> None:
    ordered = [{"item_code": "A", "known_at": at(1)}, {"item_code": "B", "known_at": at(2)}]
    found = items(given, [{"item_code": "A", "changed_at": at(5)}], ordered)
    assert [(row["item_code"], row["in_master"], row["known_at"]) for row in found] == [
        ("A", True, at(5)),
        ("B", False, at(2)),
    ]


def test_an_item_that_was_deleted_from_the_master_is_not_in_it(given: dict[str, str]) -> None:
    versions = [{"item_code": "A", "changed_at": at(1)}, {"item_code": "A", "op": "D", "changed_at": at(2)}]
    assert items(given, versions) == []


def locations(given: dict[str, str], versions: Rows, ordered: Rows | None = None) -> list[tuple[Any, ...]]:
    found = run(
        "locations", given, location_versions=(ERP_LOCATIONS, versions), order_locations=(PLACED, ordered or [])
    )
    keys = ("location_code", "valid_from_at", "valid_to_at", "is_current", "region_name", "in_master")
    return [tuple(row[key] for key in keys) for row in found]


def test_a_location_that_moved_has_a_period_for_each_region(given: dict[str, str]) -> None:
    versions = [
        {"location_code": "L", "region_name": "North", "changed_at": at(1)},
        {"location_code": "L", "region_name": "North", "changed_at": at(2)},
        {"location_code": "L", "region_name": "South", "changed_at": at(4)},
    ]
    moved = [("L", at(1), at(4), False, "North", True), ("L", at(4), None, True, "South", True)]
    assert locations(given, versions) == moved
    assert locations(given, versions[::-1]) == moved, "whatever order they came in"


def test_of_two_changes_at_one_moment_the_last_one_holds(given: dict[str, str]) -> None:
    versions = [
        {"location_code": "L", "region_name": "North", "changed_at": at(1), "change_seq": 1},
        {"location_code": "L", "region_name": "South", "changed_at": at(1), "change_seq": 2},
    ]
    assert locations(given, versions) == [("L", at(1), None, True, "South", True)]


def test_a_deletion_ends_a_period(given: dict[str, str]) -> None:
    versions = [
        {"location_code": "L", "region_name": "North", "changed_at": at(1)},
        {"location_code": "L", "region_name": "North", "op": "D", "changed_at": at(2)},
    ]
    assert locations(given, versions) == [("L", at(1), at(2), False, "North", True)]


def test_a_location_that_only_orders_name_is_there(given: dict[str, str]) -> None:
    assert locations(given, [], [{"location_code": "L", "known_at": at(3)}]) == [("L", at(3), None, True, None, False)]


# Segments

WEEKS = pa.schema(
    [
        ("week_start", pa.date32()),
        *[(name, pa.string()) for name in ("item_code", "location_code", "channel_code")],
        *[(name, pa.decimal128(18, 4)) for name in ("orders_quantity", "orders_value")],
        ("is_complete", pa.bool_()),
        ("is_unavailable", pa.bool_()),
    ]
)


def segments(given: dict[str, str], **series: list[int]) -> dict[str, dict[str, Any]]:
    """Segments of series given by their weekly quantities at a price of 1."""
    rows = [
        {
            "week_start": date(2025, 1, 6) + timedelta(weeks=week),
            "item_code": item,
            "location_code": "L",
            "channel_code": "ALL",
            "orders_quantity": Decimal(quantity),
            "orders_value": Decimal(quantity),
            "is_complete": True,
            "is_unavailable": False,
        }
        for item, quantities in series.items()
        for week, quantity in enumerate(quantities)
    ]
    with duckdb.connect() as con:
        con.register("weeks", pa.Table.from_pylist(rows, schema=WEEKS))
        found = con.sql(query("demand_segments", given)).to_arrow_table().to_pylist()
    return {row["item_code"]: row for row in found}


def test_demand_classes_go_by_interval_and_size(given: dict[str, str]) -> None:
    found = segments(
        given,
        smooth=[10, 11, 9, 10, 10, 11, 9, 10],
        erratic=[1, 30, 2, 40, 1, 25, 3, 50],
        intermittent=[5, 0, 0, 5, 0, 0, 5, 0],
        lumpy=[1, 0, 0, 50, 0, 0, 1, 0],
        new=[10, 10, 10],
    )
    assert {item: row["demand_class"] for item, row in found.items()} == {
        name: name for name in ("smooth", "erratic", "intermittent", "lumpy", "new")
    }
    assert (found["intermittent"]["adi_weeks"], found["intermittent"]["cv2"]) == (pytest.approx(8 / 3, abs=1e-6), 0)
    assert found["smooth"]["cv2"] == pytest.approx(0.005)
    assert (found["new"]["week_count"], found["smooth"]["week_count"]) == (3, 8)


def test_abc_goes_by_cumulative_value(given: dict[str, str]) -> None:
    found = segments(given, first=[79] * 8, second=[10] * 8, third=[7] * 8, last=[4] * 8)
    assert {item: row["abc_class"] for item, row in found.items()} == {
        "first": "A",
        "second": "A",
        "third": "B",
        "last": "C",
    }
    assert sum(row["value_share"] for row in found.values()) == pytest.approx(1)


def test_xyz_goes_by_variation_of_all_weeks(given: dict[str, str]) -> None:
    found = segments(given, steady=[10] * 8, varying=[4, 16, 4, 16, 4, 16, 4, 16], wild=[0, 0, 0, 40, 0, 0, 0, 40])
    assert {item: row["xyz_class"] for item, row in found.items()} == {"steady": "X", "varying": "Y", "wild": "Z"}


def test_a_series_that_was_never_ordered_has_no_interval(given: dict[str, str]) -> None:
    found = segments(given, none=[0] * 8, some=[1] * 8)["none"]
    assert (found["abc_class"], found["adi_weeks"], found["cv2"], found["value_share"]) == ("C", None, None, 0)


def test_partial_weeks_sum_to_weeks(paper: Any, new_paper: Callable[..., Any]) -> None:
    del new_paper
    paper.delivered["erp_orders"] += [date(2025, 3, 31) + timedelta(days=n) for n in range(7)]
    for n, day in enumerate((date(2025, 3, 31), date(2025, 4, 1))):
        row = {"order_id": f"S{n}", "order_line": "1", "item_code": "A", "location_code": "L", "order_date": day}
        paper.land("erp_orders", [{**row, "quantity": n + 1}])
    paper.build()
    con = paper.con
    con.execute("CREATE OR REPLACE TEMP VIEW history AS SELECT * FROM demand_history").fetchall()
    weeks = con.sql(query("weeks", paper.given)).to_arrow_table().to_pylist()
    assert [(w["week_start"], w["orders_quantity"], w["is_complete"]) for w in weeks] == [
        (date(2025, 3, 31), Decimal(3), True)
    ]
