"""An object too large to be gathered with others is read by several threads; its account is that of a small one."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest

from o9_assets.failures import Passing
from o9_assets.landing.accounts import account_of
from o9_assets.landing.staging import LARGE_BYTES
from o9_assets.resources.engine import Engine
from o9_assets_tests.company import ORDERS, SETTINGS, Company

RECORDS = 200_000
BROKEN = {0: "not_a_number", 1: "too_few_fields", 2: "broken_quote", 3: "too_many_fields"}


def record(number: int, quoted: str) -> str:
    """A record; every 997th is bad, each in the next way, and every hundredth may quote its item."""
    item = f"item-{number % 500}-{'x' * 30}"
    if quoted and number % 100 == 7:
        item = f'"an item;of {"two" if quoted == "over lines" else "one"}\nline {number}"'
        item = item if quoted == "over lines" else item.replace("\n", " ")
    record = f"O{number};1;{item};S1;2025-01-06;{number % 40};2.50"
    if number % 997 == 0:
        reason = BROKEN[number // 997 % 4]
        if reason == "not_a_number":
            return f"O{number};1;{item};S1;2025-01-06;many;2.50"
        if reason == "too_few_fields":
            return f"O{number};1;{item}"
        if reason == "broken_quote":
            return f'O{number};1;"a"b;S1;2025-01-06;1;2.50' if quoted else record.replace("2025-01-06", "never")
        return record + ";more"
    return record


@pytest.mark.faults
@pytest.mark.parametrize("quoted", ["", "in a line", "over lines"])
def test_every_record_has_its_number_wherever_bad_ones_stand(tmp_path: Path, quoted: str) -> None:
    company = Company(tmp_path)
    path = company.orders(*(record(n, quoted) for n in range(1, RECORDS + 1)))
    assert path.stat().st_size > LARGE_BYTES
    report = company.ingest()
    assert report.landed_rows == RECORDS
    assert report.quarantined_rows == RECORDS // 997
    with company.engine.connect() as con:
        company.lake.view(con, "raw", company.dataset("erp_orders"))
        [wrong] = con.execute(
            "SELECT count(*) FROM raw WHERE line <> CAST(substr(order_id, 2) AS BIGINT) + 1"
        ).fetchall()
    assert wrong == (0,)
    bad = [n for n in range(1, RECORDS + 1) if n % 997 == 0]
    expected = [
        (n + 1, "not_a_date" if BROKEN[n // 997 % 4] == "broken_quote" and not quoted else BROKEN[n // 997 % 4])
        for n in bad
    ]
    assert [(row["line"], row["reason"]) for row in company.quarantine()] == expected
    assert [row["original_text"] for row in company.quarantine()] == [record(n, quoted) for n in bad]


@pytest.mark.faults
@pytest.mark.parametrize("quoted", ["", "in a line", "over lines"])
def test_without_line_numbers_a_bad_record_still_keeps_what_it_said(tmp_path: Path, quoted: str) -> None:
    company = Company(tmp_path, SETTINGS.replace("    optional:", "    line_numbers: false\n    optional:"))
    company.orders(*(record(n, quoted) for n in range(1, RECORDS + 1)))
    report = company.ingest()
    assert (report.landed_rows, report.quarantined_rows) == (RECORDS, RECORDS // 997)
    for row in company.quarantine():
        assert str(row["original_text"]).startswith(("O", '{"order":"O'))
    account = account_of("erp_orders", company.dataset("erp_orders"), lake=company.lake, engine=company.engine)
    assert account.balanced


def test_a_position_is_counted_in_the_object_s_order_even_without_line_numbers(tmp_path: Path) -> None:
    text = SETTINGS.replace("order_line: line", "order_line: {position_within: order}")
    company = Company(tmp_path, text.replace("    optional:", "    line_numbers: false\n    optional:"))
    # Ten lines an order, and the quantity says which it is.
    rows = [f"O{n // 10};-;item {'x' * 40};S1;2025-01-06;{n % 10 + 1};1" for n in range(150_000)]
    assert company.orders(*rows, header=ORDERS).stat().st_size > LARGE_BYTES
    company.ingest()
    with company.engine.connect() as con:
        company.lake.view(con, "raw", company.dataset("erp_orders"))
        found = con.execute(
            "SELECT count(*), count(*) FILTER (WHERE order_line = CAST(CAST(quantity AS INT) AS VARCHAR)) FROM raw"
        )
        assert found.fetchall() == [(150_000, 150_000)]


@pytest.mark.parametrize("records", [10, 150_000])
def test_without_line_numbers_rows_still_tell_their_order_in_the_object(tmp_path: Path, records: int) -> None:
    company = Company(tmp_path, SETTINGS.replace("    optional:", "    line_numbers: false\n    optional:"))
    for day in ("2025-01-06", "2025-01-07"):
        rows = [f"{n};1;{'x' * 60};S1;2025-01-06;{'many' if n == 5 else n % 40};1" for n in range(1, records + 1)]
        assert (company.orders(*rows, day=day).stat().st_size > LARGE_BYTES) == (records > 10)
    company.ingest()
    with company.engine.connect() as con:
        company.lake.view(con, "raw", company.dataset("erp_orders"))
        found = con.execute(
            "SELECT count(*), count(*) FILTER (WHERE line = CAST(order_id AS INT)) FROM raw GROUP BY object_id"
        )
        assert found.fetchall() == [(records - 1, records - 1)] * 2


@pytest.mark.faults
def test_where_memory_and_disk_run_out_the_object_is_tried_again_and_not_set_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    company, connect = Company(tmp_path), Engine.connect
    company.orders(*(record(number, "") for number in range(RECORDS)))

    @contextmanager
    def cramped(self: Engine) -> Iterator[duckdb.DuckDBPyConnection]:
        with connect(self) as con:
            # What DuckDB says of a full disk is the same.
            con.execute("SET memory_limit = '20MB'; SET max_temp_directory_size = '1MB'")
            yield con

    monkeypatch.setattr(Engine, "connect", cramped)
    with pytest.raises(Passing, match=r"no room to read orders/2025-01-06.csv: Out of Memory"):
        company.ingest()
    assert company.manifest() == []
    monkeypatch.undo()
    assert company.ingest().set_aside == {}
    assert company.ingest().objects == 0
