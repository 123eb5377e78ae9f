"""Sell-out in our terms, drivers with the moment from which they were known, and coverage: exact rows."""

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import Any

import duckdb
import pytest

from o9_assets.assets.raw.data_exchange_drivers import DATA_EXCHANGE_DRIVERS
from o9_assets.assets.raw.data_exchange_products import DATA_EXCHANGE_PRODUCTS
from o9_assets.assets.raw.data_exchange_sell_out import DATA_EXCHANGE_SELL_OUT
from o9_assets.dataset import Dataset
from o9_assets.market import queries

NOW = datetime(2026, 1, 20, 6)


class Market:
    """Feeds and our terms on a DuckDB connection; lineage is filled in where a row does not give it."""

    def __init__(self, con: duckdb.DuckDBPyConnection) -> None:
        self.con = con
        self._line = 0
        for name, dataset in (
            ("product_versions", DATA_EXCHANGE_PRODUCTS),
            ("sell_out_versions", DATA_EXCHANGE_SELL_OUT),
            ("driver_versions", DATA_EXCHANGE_DRIVERS),
        ):
            columns = ", ".join(f"{c.name} {c.duckdb_type}" for c in dataset.columns)
            con.execute(f"CREATE TABLE {name} ({columns})")
        con.execute("CREATE TABLE known_items AS SELECT unnest(['A', 'B']) AS item_code")
        con.execute("CREATE TABLE known_regions AS SELECT unnest(['North', 'South']) AS region_name")
        queries.region_names(con, {"Nord": "North"})

    def add(self, name: str, dataset: Dataset, row: Mapping[str, Any]) -> None:
        self._line += 1
        known_at = row.get("known_at", NOW)
        lineage = {"op": "I", "changed_at": known_at, "change_seq": 0, "known_at": known_at}
        lineage |= {"object_id": "o", "object_name": "o", "line": self._line}
        values = {**lineage, **row}
        given = [values.get(column) for column in dataset.column_names]
        self.con.execute(f"INSERT INTO {name} VALUES ({', '.join('?' * len(given))})", given)

    def product(self, gtin: str, item: str, code: str | None = None, *, chain: str = "R", **more: Any) -> None:
        entry = {"gtin": gtin, "item_code": item, "retailer_item_code": code, "retailer_code": chain if code else None}
        self.add("product_versions", DATA_EXCHANGE_PRODUCTS, entry | more)

    def sold(
        self, code: str, packs: float, *, region: str = "Nord", end: date = date(2026, 1, 11), **more: Any
    ) -> None:
        row = {"retailer_code": "R", "retailer_item_code": code, "region_name": region, "week_end_date": end}
        self.add("sell_out_versions", DATA_EXCHANGE_SELL_OUT, row | {"quantity": packs} | more)

    def driver(self, end: date, value: float, known_at: datetime, *, region: str = "Nord", **more: Any) -> None:
        row = {"driver_name": "t", "region_name": region, "week_end_date": end, "driver_value": value}
        self.add("driver_versions", DATA_EXCHANGE_DRIVERS, row | {"known_at": known_at} | more)

    def mapped(self, columns: str = "retailer_item_code, item_code, issue, base_quantity") -> list[tuple[Any, ...]]:
        queries.product_map(self.con)
        queries.sell_out(self.con, "monday")
        return self.con.execute(f"SELECT {columns} FROM sell_out ORDER BY ALL").fetchall()

    def known(self, zone: str = "UTC") -> list[tuple[Any, ...]]:
        queries.drivers(self.con, "monday", zone)
        return self.con.execute(
            "SELECT week_start, known_from_at, driver_value, is_outlook FROM drivers ORDER BY ALL"
        ).fetchall()


@pytest.fixture
def market() -> Iterator[Market]:
    with duckdb.connect() as con:
        yield Market(con)


def test_a_retailer_s_own_code_goes_before_the_gtin_and_zeros_before_it_are_no_matter(market: Market) -> None:
    market.product("0400001", "A", "K1")
    market.product("400002", "B")
    market.sold("K1", 3, gtin="400002")
    market.sold("K9", 4, gtin="00400002")
    assert market.mapped() == [("K1", "A", None, 3), ("K9", "B", None, 4)]


def test_packs_become_base_units(market: Market) -> None:
    market.product("1", "A", "K1", base_units_per_pack="0.25")
    market.sold("K1", 7)
    assert market.mapped("base_quantity") == [(1.75,)]


def test_what_cannot_be_mapped_is_kept_with_its_issue(market: Market) -> None:
    market.product("1", "A", "K1")
    market.product("2", "A", "K2")
    market.product("3", "B", "K2")  # one code, two items
    market.product("4", "Z", "K4")  # no item of ours
    market.sold("K0", 1, gtin="999")
    market.sold("K1", 2, region="Mond")
    market.sold("K2", 3)
    market.sold("K4", 4)
    assert market.mapped("retailer_item_code, item_code, region_name, issue, quantity, base_quantity") == [
        ("K0", None, "North", "unknown_product", 1, None),
        ("K1", "A", None, "unknown_region", 2, None),
        ("K2", None, "North", "ambiguous_product", 3, None),
        ("K4", "Z", "North", "unknown_item", 4, None),
    ]


def test_one_item_with_two_pack_sizes_is_ambiguous(market: Market) -> None:
    market.product("1", "A", "K1")
    market.product("2", "A", "K1", base_units_per_pack=6)
    market.sold("K1", 1)
    assert market.mapped("issue") == [("ambiguous_product",)]


def test_the_newest_entry_of_the_reference_holds_and_a_deleted_one_no_longer(market: Market) -> None:
    market.product("1", "A", "K1", known_at=datetime(2026, 1, 1))
    market.product("1", "B", "K1", known_at=datetime(2026, 1, 5))
    market.product("2", "A", "K2", known_at=datetime(2026, 1, 1))
    market.product("2", "A", "K2", known_at=datetime(2026, 1, 5), op="D")
    market.sold("K1", 1)
    market.sold("K2", 1)
    assert market.mapped("retailer_item_code, item_code, issue") == [("K1", "B", None), ("K2", None, "unknown_product")]


def test_the_newest_version_of_a_row_stands_and_a_deleted_row_goes(market: Market) -> None:
    market.product("1", "A", "K1")
    market.sold("K1", 5, known_at=datetime(2026, 1, 12))
    market.sold("K1", 6, known_at=datetime(2026, 1, 19))
    market.sold("K1", 9, region="South", known_at=datetime(2026, 1, 12))
    market.sold("K1", 0, region="South", known_at=datetime(2026, 1, 19), op="D")
    assert market.mapped("region_name, quantity") == [("North", 6)]


@pytest.mark.parametrize(
    ("end", "week"),
    [
        (date(2026, 1, 11), date(2026, 1, 5)),  # Sunday
        (date(2026, 1, 10), date(2026, 1, 5)),  # Saturday
        (date(2026, 1, 8), date(2026, 1, 5)),  # Thursday: its middle day is Monday
        (date(2026, 1, 7), date(2025, 12, 29)),  # Wednesday: its middle day is Sunday
        (date(1999, 12, 26), date(1999, 12, 20)),  # before the day that weeks are counted from
    ],
)
def test_a_provider_s_week_counts_in_our_week_that_holds_its_middle(market: Market, end: date, week: date) -> None:
    market.sold("K1", 1, end=end)
    assert market.mapped("week_start") == [(week,)]


def test_weeks_may_begin_on_any_day(market: Market) -> None:
    market.sold("K1", 1, end=date(2026, 1, 10))
    queries.product_map(market.con)
    queries.sell_out(market.con, "sunday")
    assert market.con.execute("SELECT week_start FROM sell_out").fetchall() == [(date(2026, 1, 4),)]


def test_history_of_the_first_delivery_was_published_with_the_delay_that_it_shows(market: Market) -> None:
    first = datetime(2026, 1, 19)  # its newest measured week ended on 12 January, a week before
    for end, value in ((date(2026, 1, 4), 1.0), (date(2026, 1, 11), 2.0)):
        market.driver(end, value, first)
    market.driver(date(2026, 1, 25), 3.0, first)  # an outlook
    assert market.known() == [
        (date(2025, 12, 29), datetime(2026, 1, 12), 1.0, False),
        (date(2026, 1, 5), datetime(2026, 1, 19), 2.0, False),
        (date(2026, 1, 19), datetime(2026, 1, 19), 3.0, True),
    ]


def test_a_week_is_over_when_it_is_over_where_the_company_is(market: Market) -> None:
    market.driver(date(2026, 1, 11), 1.0, datetime(2026, 1, 11, 23))  # midnight in Berlin
    assert market.known("Europe/Berlin") == [(date(2026, 1, 5), datetime(2026, 1, 11, 23), 1.0, False)]
    assert market.known() == [(date(2026, 1, 5), datetime(2026, 1, 11, 23), 1.0, True)]


def test_a_revision_of_an_old_week_is_known_only_from_its_delivery(market: Market) -> None:
    market.driver(date(2026, 1, 11), 2.0, datetime(2026, 1, 12))
    market.driver(date(2026, 1, 11), 2.5, datetime(2026, 2, 1))
    market.driver(date(2026, 1, 11), 9.9, datetime(2026, 3, 1), op="D")
    assert market.known() == [
        (date(2026, 1, 5), datetime(2026, 1, 12), 2.0, False),
        (date(2026, 1, 5), datetime(2026, 2, 1), 2.5, False),
        (date(2026, 1, 5), datetime(2026, 3, 1), None, False),
    ]


def test_a_driver_of_a_region_that_is_not_ours_is_kept_with_its_issue(market: Market) -> None:
    for region in ("Nord", "*", "Mond"):
        market.driver(date(2026, 1, 11), 1.0, NOW, region=region)
    queries.drivers(market.con, "monday", "UTC")
    rows = market.con.execute("SELECT region_name, issue FROM drivers ORDER BY 1").fetchall()
    assert rows == [("*", None), ("Mond", "unknown_region"), ("North", None)]


def test_coverage_is_what_we_shipped_in_weeks_with_sell_out(market: Market) -> None:
    con = market.con
    con.execute(
        "CREATE TABLE history AS SELECT * FROM (VALUES "
        "('A', 'L1', DATE '2026-01-05', 10.0), ('A', 'L1', DATE '2026-01-12', 30.0), "
        "('A', 'L2', DATE '2026-01-05', 5.0), ('B', 'L9', DATE '2026-01-05', 7.0), "
        "('A', 'L1', DATE '2024-01-01', 99.0)) AS t(item_code, location_code, week_start, shipments_quantity)"
    )
    # L1 moved from North to South on 12 January; L9 has no region.
    con.execute(
        "CREATE TABLE places AS SELECT * FROM (VALUES "
        "('L1', 'North', TIMESTAMP '0001-01-01', TIMESTAMP '2026-01-12'), "
        "('L1', 'South', TIMESTAMP '2026-01-12', TIMESTAMP '9999-01-01'), "
        "('L2', 'North', TIMESTAMP '0001-01-01', TIMESTAMP '9999-01-01')) "
        "AS t(location_code, region_name, from_at, to_at)"
    )
    con.execute(
        "CREATE TABLE sell_out AS SELECT * FROM (VALUES "
        "('A', 'North', DATE '2026-01-05', 12.0, NULL), ('A', 'North', DATE '2026-01-12', 4.0, NULL), "
        "('B', 'North', DATE '2026-01-05', 100.0, 'unknown_region')) "
        "AS t(item_code, region_name, week_start, base_quantity, issue)"
    )
    queries.coverage(con)
    rows = con.execute(
        "SELECT item_code, region_name, shipped_weeks, covered_weeks, shipped_quantity, covered_quantity, "
        "covered_share, sell_out_quantity, sell_out_ratio FROM coverage ORDER BY ALL"
    ).fetchall()
    assert rows == [
        ("A", "North", 1, 1, 15, 15, 1.0, 16, pytest.approx(16 / 15)),
        ("A", "South", 1, 0, 30, 0, 0.0, 0, None),
        ("B", "UNKNOWN", 1, 0, 7, 0, 0.0, 0, None),
    ]
