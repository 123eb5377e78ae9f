"""The real retailer's order lines: none is lost, none is guessed at, however many runs they came in."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from o9_assets.assets.curated.demand_history import DEMAND_HISTORY
from o9_assets.assets.curated.demand_segments import DEMAND_SEGMENTS
from o9_assets.assets.curated.items import ITEMS
from o9_assets.assets.curated.locations import LOCATIONS
from o9_assets.assets.curated.order_lines import ORDER_LINES
from o9_assets.planning.settings import load

ROOT = Path(__file__).resolve().parents[3]
DATA = ROOT.parent / "shared" / "data" / "online_retail"
FILES = sorted(DATA.glob("*.csv"))

pytestmark = [pytest.mark.real, pytest.mark.skipif(not FILES, reason="the public data set is not beside the project")]


def records() -> Iterator[tuple[str, str, int]]:
    """Item, day and quantity of every record of the files, read without any of the platform's code."""
    for path in FILES:
        with path.open(encoding="utf-8", newline="") as text:
            for row in csv.DictReader(text):
                yield row["StockCode"].strip().upper(), row["InvoiceDate"][:10], int(row["Quantity"])


def land(company: Any, files: list[Path]) -> None:
    for path in files:
        company.zone.put(path.name, path)


def content(company: Any, dataset: Any) -> pa.Table:
    """A table's rows without the identity of the object, which holds the moment that the file was copied."""
    return company.rows(dataset).drop_columns([c for c in ("object_id",) if c in dataset.column_names])


@pytest.fixture(scope="module")
def settings() -> Any:
    return load(ROOT / "examples" / "online_retail.yaml")


@pytest.fixture(scope="module")
def at_once(new_company: Callable[[Any], Any], settings: Any) -> Any:
    company = new_company(settings)
    land(company, FILES)
    company.refresh()
    return company


def test_every_line_is_there_and_units_are_exact_per_item_and_day(at_once: Any) -> None:
    lines = at_once.lake.read(ORDER_LINES, columns=["item_code", "order_date", "quantity", "order_id", "order_line"])
    assert lines.num_rows == 541_909
    assert len({(r["order_id"], r["order_line"]) for r in lines.to_pylist()}) == 541_909
    wanted: Counter[tuple[str, str]] = Counter()
    for item, day, quantity in records():
        wanted[item, day] += quantity
    found: Counter[tuple[str, str]] = Counter()
    for row in lines.to_pylist():
        found[row["item_code"], row["order_date"].isoformat()] += int(row["quantity"])
    assert sum(found.values()) == 5_176_450
    assert found == wanted


def test_items_are_trimmed_and_countries_are_the_locations(at_once: Any) -> None:
    assert at_once.lake.row_count(ITEMS) == 3_958
    locations = at_once.lake.read(LOCATIONS).to_pylist()
    assert len(locations) == 38
    assert all(row["is_current"] for row in locations)


def test_history_holds_exactly_what_counts(at_once: Any) -> None:
    lines = at_once.lake.read(ORDER_LINES, columns=["counts_as", "base_quantity"]).to_pylist()
    cells = at_once.lake.read(DEMAND_HISTORY).to_pylist()
    for measure in ("orders", "returns"):
        counted = sum(row["base_quantity"] for row in lines if row["counts_as"] == measure)
        assert sum((c[f"{measure}_quantity"] or Decimal(0) for c in cells), Decimal(0)) == counted
    assert all(cell["shipments_quantity"] is None for cell in cells), "the company has no shipments"
    # Every expected file is in, but for the Sunday after the last one, a Friday.
    last = max(cell["bucket_start"] for cell in cells)
    assert {cell["state"] for cell in cells if cell["bucket_start"] < last} == {"sold", "true_zero"}
    assert {cell["state"] for cell in cells if cell["bucket_start"] == last} == {"sold", "missing"}
    assert {cell["is_complete"] for cell in cells if cell["bucket_start"] == last} == {False}


@pytest.mark.parametrize("runs", [7, pytest.param(305, marks=[pytest.mark.slow, pytest.mark.timeout(3600)])])
def test_it_does_not_matter_in_how_many_runs_the_files_came(
    at_once: Any, settings: Any, new_company: Callable[[Any], Any], runs: int
) -> None:
    company = new_company(settings)
    step = -(-len(FILES) // runs)
    for start in range(0, len(FILES), step):
        land(company, FILES[start : start + step])
        company.refresh()
    for dataset in (ITEMS, LOCATIONS, ORDER_LINES, DEMAND_HISTORY, DEMAND_SEGMENTS):
        assert content(company, dataset).equals(content(at_once, dataset)), dataset.name
