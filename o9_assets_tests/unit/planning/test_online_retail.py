"""The real retailer's settings against the real files, counted without any of the platform's readers."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import duckdb
import pytest

from o9_assets.planning.settings import Settings, load

ROOT = Path(__file__).resolve().parents[3]
DATA = ROOT.parent / "shared" / "data" / "online_retail"
FILES = sorted(DATA.glob("*.csv"))

pytestmark = [pytest.mark.real, pytest.mark.skipif(not FILES, reason="the public data set is not beside the project")]


@pytest.fixture(scope="module")
def settings() -> Settings:
    return load(ROOT / "examples" / "online_retail.yaml")


@pytest.fixture(scope="module")
def lines() -> Iterator[duckdb.DuckDBPyConnection]:
    """The table `lines`: what the mapping is meant to make of every record, and the file it is from."""
    with duckdb.connect() as con:
        con.execute(
            f"""
            CREATE TABLE lines AS
            SELECT
                parse_filename(filename) AS file,
                InvoiceNo AS order_id,
                row_number() OVER (PARTITION BY filename, InvoiceNo ORDER BY file_row) AS order_line,
                upper(trim(StockCode)) AS item_code,
                regexp_replace(CustomerID, '\\.0$', '') AS customer_code,
                Country AS location_code,
                CAST(InvoiceDate AS TIMESTAMP) AS ordered_at,
                CAST(Quantity AS DECIMAL(18, 4)) AS quantity,
                CAST(UnitPrice AS DECIMAL(18, 4)) AS unit_price
            FROM (
                SELECT *, row_number() OVER () AS file_row
                FROM read_csv('{DATA}/*.csv', all_varchar = true, header = true, filename = true, parallel = false)
            )
            """
        ).fetchall()
        yield con


def test_every_file_belongs_to_orders_items_and_locations(settings: Settings) -> None:
    for name in ("erp_orders", "erp_items", "erp_locations"):
        feed = settings.feeds[name]
        matches = [feed.match(path.name) for path in FILES]
        assert [m.covers_date if m else None for m in matches] == [date.fromisoformat(p.stem) for p in FILES]
        assert feed.known_at == "covers_date"


def test_the_delivery_calendar_expects_just_the_files_that_there_are(settings: Settings) -> None:
    delivery = settings.feeds["erp_orders"].delivery
    assert delivery is not None
    expected = delivery.expected(date(2010, 12, 1), date(2011, 12, 9))
    assert expected == [date.fromisoformat(path.stem) for path in FILES]
    assert (len(expected), len(delivery.exceptions)) == (305, 16)


def test_the_files_have_the_columns_that_are_mapped(settings: Settings) -> None:
    headers = {path.read_text(encoding="utf-8").partition("\n")[0] for path in FILES}
    assert headers == {"InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country"}
    assert set(settings.feeds["erp_orders"].source_columns) == set(headers.pop().split(","))


def test_the_key_is_unique_and_the_item_would_not_be(lines: duckdb.DuckDBPyConnection) -> None:
    [found] = lines.execute(
        """
        SELECT count(*), sum(quantity), count(DISTINCT (order_id, order_line)), count(DISTINCT item_code),
            count(DISTINCT location_code), count(*) FILTER (customer_code IS NULL)
        FROM lines
        """
    ).fetchall()
    assert found == (541_909, 5_176_450, 541_909, 3_958, 38, 135_080)
    [(repeated,)] = lines.execute(
        "SELECT count(*) FROM (SELECT 1 FROM lines GROUP BY order_id, item_code HAVING count(*) > 1)"
    ).fetchall()
    assert repeated > 9_600
    [(elsewhere,)] = lines.execute(
        "SELECT count(*) FROM lines WHERE strftime(ordered_at, '%Y-%m-%d.csv') <> file"
    ).fetchall()
    assert elsewhere == 0


def test_every_line_gets_its_kind_by_the_rules(settings: Settings, lines: duckdb.DuckDBPyConnection) -> None:
    kinds = settings.feeds["erp_orders"].kinds
    rules = " ".join(f"WHEN {kind.when} THEN '{kind.kind}'" for kind in kinds)
    found = lines.execute(
        f"SELECT CASE {rules} ELSE 'sale' END AS kind, count(*), sum(quantity)::BIGINT FROM lines GROUP BY 1 ORDER BY 1"
    ).fetchall()
    assert found == [
        ("bad_debt", 3, 3),
        ("cancellation", 8_704, -272_030),
        ("free_goods", 1_162, 68_025),
        ("sale", 527_761, 5_577_103),
        ("service", 2_943, 10_306),
        ("stock_adjustment", 1_336, -206_957),
    ]
    assert {kind.kind: kind.counts_as for kind in kinds} == {
        "bad_debt": "none",
        "service": "none",
        "cancellation": "returns",
        "stock_adjustment": "none",
        "free_goods": "none",
    }


def test_what_is_no_plain_item_number_is_service_bad_debt_or_known_goods(
    settings: Settings, lines: duckdb.DuckDBPyConnection
) -> None:
    service = next(kind.when for kind in settings.feeds["erp_orders"].kinds if kind.kind == "service")
    found = lines.execute(
        f"""
        SELECT DISTINCT item_code FROM lines
        WHERE NOT regexp_matches(item_code, '^[0-9]{{5}}[A-Z]*$') AND NOT ({service}) AND item_code NOT LIKE 'DCGS%'
        ORDER BY 1
        """
    ).fetchall()
    assert found == [("B",), ("PADS",)]  # the bad debts' code, and a pad that is sold
