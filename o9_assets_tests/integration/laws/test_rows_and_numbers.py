"""Laws 1 to 4, each with a test that breaks when the law does. What a law means for a room is tested where the room is.

1. Every row is accounted for. 2. A rerun changes nothing. 3. Publishing is a commit. 4. Numbers agree end to end.
"""

from __future__ import annotations

import csv
import json
import threading
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import dagster as dg
import duckdb
import pyarrow as pa
import pytest

from o9_assets.assets.curated.demand_history import DEMAND_HISTORY
from o9_assets.assets.lake.tables import lake_tables
from o9_assets.assets.raw.erp_orders import ERP_ORDERS
from o9_assets.dataset import Column, Dataset
from o9_assets.resources.lake import equal, everything

ORDERED = {"A": Decimal("6"), "B": Decimal("9.125")}
"""Ordered by item, returns apart, by a look at the files that landed."""
ACCOUNT = "raw/erp_orders:every_row_accounted_for"


def checks(result: dg.ExecuteInProcessResult) -> dict[str, dg.AssetCheckEvaluation]:
    """Evaluations by `asset:check`."""
    return {f"{e.asset_key.to_user_string()}:{e.check_name}": e for e in result.get_asset_check_evaluations()}


# 4. Numbers agree end to end.


def in_files(company: Any) -> dict[str, Decimal]:
    """Ordered by item, counted with nothing of the platform's."""
    total: dict[str, Decimal] = {}
    for path in sorted((company.landing / "orders").glob("*.csv")):
        for row in csv.DictReader(path.read_text(encoding="utf-8").splitlines(), delimiter=";"):
            if row["qty"].replace(".", "").isdigit():
                item = row["item"].upper()
                total[item] = total.get(item, Decimal(0)) + Decimal(row["qty"])
    return total


def in_history(company: Any) -> dict[str, Decimal]:
    total: dict[str, Decimal] = {}
    for row in company.lake.read(DEMAND_HISTORY).to_pylist():
        total[row["item_code"]] = total.get(row["item_code"], Decimal(0)) + (row["orders_quantity"] or 0)
    return total


def in_o9(company: Any) -> dict[str, Decimal]:
    total: dict[str, Decimal] = {}
    for _, _, text in company.o9.facts("DemandHistory", size=1_000_000):
        row = json.loads(text, parse_float=Decimal, parse_int=Decimal)
        total[row["Item.[Item]"]] = total.get(row["Item.[Item]"], Decimal(0)) + (row.get("Orders") or 0)
    return total


def test_files_history_and_o9_agree_to_the_last_digit(company: Any) -> None:
    assert in_files(company) == in_history(company) == in_o9(company) == ORDERED


# 2. A rerun changes nothing.


def test_a_rerun_commits_nothing_and_sends_nothing(company: Any) -> None:
    def state() -> tuple[dict[str, int | None], list[tuple[str, int]], dict[str, int]]:
        snapshots = {d.name: company.lake.snapshot_id(d) for d in lake_tables(company.settings)}
        return snapshots, company.o9.received(), company.o9.writes()

    before = state()
    assert before[0]["curated.demand_history"] is not None and before[2]
    assert company.refresh().success
    assert state() == before


# 4 again: a break is shown.


def test_a_number_that_changed_on_the_other_side_is_shown_and_stops(company: Any) -> None:
    [row] = [
        found
        for _, _, text in company.o9.facts("DemandHistory", size=1000)
        if (found := json.loads(text, parse_float=Decimal, parse_int=Decimal)).get("Orders") == 5
    ]
    company.o9.write("DemandHistory", "somebody-else", [{**row, "Orders": Decimal(6)}])
    told = checks(company.refresh("o9/demand_export"))["o9/demand_export:o9_holds_what_was_sent"]
    assert not told.passed
    assert "A · S1 · ALL: 5.0000 here, 6.0000 there" in (told.description or "")


# 1. Every row is accounted for.


def test_landed_rows_are_accepted_quarantined_or_superseded(company: Any) -> None:
    def account() -> dict[str, Any]:
        told = checks(company.refresh("raw/erp_orders"))[ACCOUNT]
        assert told.passed
        return {name: told.metadata[name].value for name in ("landed", "accepted", "quarantined", "superseded")}

    assert account() == {"landed": 6, "accepted": 5, "quarantined": 1, "superseded": 0}
    company.land("2025-01-06", ["O1;1;a;S1;2025-01-06;6;2.50"])
    assert account() == {"landed": 7, "accepted": 4, "quarantined": 0, "superseded": 3}


def test_a_row_that_vanished_stops_everything_behind_it(company: Any) -> None:
    of_the_day = equal("object_name", "orders/2025-01-07.csv")
    company.lake.overwrite(ERP_ORDERS, company.lake.read(ERP_ORDERS, where=of_the_day).slice(1), of_the_day)
    result = company.refresh("raw/erp_orders", "curated/order_lines")
    assert not result.success
    told = checks(result)[ACCOUNT]
    assert not told.passed
    assert "orders/2025-01-07.csv: 2 accepted and 0 mended, but 1 rows in raw.erp_orders" in (told.description or "")
    assert [e.asset_key.to_user_string() for e in result.get_asset_materialization_events()] == ["raw/erp_orders"]


# 3. Publishing is a commit.

PRICES = Dataset("curated.law_prices", "A row a key.", (Column("key", "int64", "Key"), Column("version", "int64", "V")))


def version(number: int, rows: int = 20_000) -> pa.Table:
    return pa.table({"key": range(rows), "version": [number] * rows}, schema=PRICES.arrow_schema)


def test_a_reader_sees_the_old_or_the_new_never_a_half(company: Any) -> None:
    company.lake.overwrite(PRICES, version(0), everything())
    done = threading.Event()

    def write() -> None:
        try:
            for number in range(1, 9):
                company.lake.overwrite(PRICES, version(number), everything())
        finally:
            done.set()

    writer = threading.Thread(target=write)
    writer.start()
    seen = []
    while not done.is_set():
        seen.append(Counter(company.lake.read(PRICES)["version"].to_pylist()))
    writer.join()
    assert seen and all(list(one.values()) == [20_000] for one in seen)
    assert set(company.lake.read(PRICES)["version"].to_pylist()) == {8}


def test_a_writer_that_breaks_off_leaves_the_old(company: Any) -> None:
    company.lake.overwrite(PRICES, version(1), everything())

    def batches() -> Iterator[pa.RecordBatch]:
        yield from version(2).to_batches()
        raise OSError("no space left on device")

    with pytest.raises(duckdb.Error, match="no space left"):
        company.lake.overwrite(PRICES, pa.RecordBatchReader.from_batches(PRICES.arrow_schema, batches()), everything())
    assert set(company.lake.read(PRICES)["version"].to_pylist()) == {1}
