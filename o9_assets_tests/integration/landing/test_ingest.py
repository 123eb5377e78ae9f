"""Landed objects become raw rows: each object once, each record in raw or in quarantine with reason and line."""

import gzip
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from o9_assets.landing import plain
from o9_assets.landing.accepted import accepted_view, changes_since, latest_seq
from o9_assets.landing.accounts import account_of
from o9_assets.landing.datasets import TRANSFERS
from o9_assets.resources.lake import equal
from o9_assets.resources.landing_zone import FolderZone, LandedObject
from o9_assets_tests.company import ORDERS, SETTINGS, Company

GOOD = "O1;1;a1;S1;2025-01-06;5;2.50"


@pytest.fixture
def company(tmp_path: Path) -> Company:
    return Company(tmp_path)


def reasons(company: Company) -> list[tuple[object, ...]]:
    return [(row["line"], row["reason"], row["column_name"]) for row in company.quarantine()]


def balanced(company: Company) -> bool:
    account = account_of("erp_orders", company.dataset("erp_orders"), lake=company.lake, engine=company.engine)
    return account.balanced and account.landed == account.accepted + account.quarantined + account.superseded


def test_a_row_is_typed_and_carries_where_it_came_from(company: Company) -> None:
    company.orders(GOOD)
    company.ingest(now=datetime(2025, 2, 1, 12))
    [row] = company.raw()
    assert row["item_code"] == "A1"
    assert row["order_date"] == date(2025, 1, 6)
    assert (row["quantity"], row["unit_price"]) == (Decimal("5.0000"), Decimal("2.5000"))
    assert (row["object_name"], row["line"], row["op"], row["change_seq"]) == ("orders/2025-01-06.csv", 2, "I", 0)
    assert row["known_at"] == row["changed_at"] == datetime(2025, 2, 1, 12)
    assert row["channel_code"] is None


def test_an_object_is_taken_in_once(company: Company) -> None:
    company.orders(GOOD)
    assert company.ingest().objects == 1
    assert company.ingest().objects == 0
    assert len(company.raw()) == len(company.manifest()) == 1


def test_the_same_name_with_new_content_is_a_new_version_that_replaces_the_old_one(company: Company) -> None:
    company.orders(GOOD, "O1;2;a1;S1;2025-01-06;1;1")
    company.ingest()
    company.orders("O1;1;a1;S1;2025-01-06;7;2.50")
    company.ingest(now=datetime(2025, 2, 2))
    with duckdb.connect() as con:
        accepted_view(con, company.lake, company.dataset("erp_orders"), "erp_orders", "now")
        accepted_view(
            con, company.lake, company.dataset("erp_orders"), "erp_orders", "as_then", as_of=datetime(2025, 2, 1, 18)
        )
        assert con.execute("SELECT order_line, quantity FROM now").fetchall() == [("1", Decimal(7))]
        assert con.execute("SELECT count(*) FROM as_then").fetchall() == [(2,)]
        changes = changes_since(con, company.lake, "erp_orders", 1)
    assert len(company.raw()) == 3  # every version stays readable
    assert (changes.seq, len(changes.new_objects), len(changes.replaced_objects)) == (2, 1, 1)
    assert balanced(company)


def test_what_is_put_back_after_another_version_holds_again(company: Company) -> None:
    landed = company.orders(GOOD)
    kept = {5: landed.rename(company.home / "5.csv"), 7: company.orders(GOOD.replace(";5;", ";7;"))}
    kept[7] = kept[7].rename(company.home / "7.csv")
    with duckdb.connect() as con:
        for number, quantity in enumerate((5, 7, 5, 7, 5), start=1):
            landed.unlink(missing_ok=True)
            landed.hardlink_to(kept[quantity])  # the very file, as a move puts it there
            assert company.ingest(now=datetime(2025, 2, number)).objects == 1
            assert company.ingest(now=datetime(2025, 2, number)).objects == 0
            accepted_view(con, company.lake, company.dataset("erp_orders"), "erp_orders", "now")
            assert con.execute("SELECT quantity FROM now").fetchall() == [(quantity,)]
            then = datetime(2025, 2, 2, 12)
            accepted_view(con, company.lake, company.dataset("erp_orders"), "erp_orders", "as_then", as_of=then)
            assert con.execute("SELECT quantity FROM as_then").fetchall() == [(5 if number == 1 else 7,)]
            changes = changes_since(con, company.lake, "erp_orders", number - 1)
            assert (len(changes.new_objects), len(changes.replaced_objects)) == (1, number - 1)
    assert balanced(company)


def test_a_new_version_that_cannot_be_read_replaces_nothing(company: Company) -> None:
    company.orders(GOOD)
    company.ingest()
    company.orders(GOOD, header="nonsense")
    company.ingest(now=datetime(2025, 2, 2))
    with duckdb.connect() as con:
        accepted_view(con, company.lake, company.dataset("erp_orders"), "erp_orders", "now")
        assert con.execute("SELECT count(*) FROM now").fetchall() == [(1,)]


def test_new_versions_can_add_instead(tmp_path: Path) -> None:
    company = Company(tmp_path, SETTINGS.replace("    optional:", "    on_new_version: add\n    optional:"))
    company.orders(GOOD)
    company.ingest()
    company.orders("O2;1;a1;S1;2025-01-06;1;1")
    company.ingest()
    with duckdb.connect() as con:
        accepted_view(con, company.lake, company.dataset("erp_orders"), "erp_orders", "now")
        assert con.execute("SELECT count(*) FROM now").fetchall() == [(2,)]


def test_every_ingest_of_a_feed_has_the_next_number(company: Company) -> None:
    company.orders(GOOD)
    company.ingest()
    company.orders(GOOD, day="2025-01-07")
    company.orders(GOOD, day="2025-01-08")
    company.ingest()
    assert [row["ingest_seq"] for row in company.manifest()] == [1, 2, 2]
    assert latest_seq(company.lake, "erp_orders") == 2


def test_history_can_be_loaded_as_it_was_known(tmp_path: Path) -> None:
    text = SETTINGS.replace("timezone: UTC", "timezone: Europe/London").replace(
        "    optional:", "    known_at: covers_date\n    optional:"
    )
    company = Company(tmp_path, text)
    company.orders(GOOD, day="2025-07-06")
    company.ingest(now=datetime(2025, 8, 1))
    assert company.raw("erp_orders", "known_at") == [
        {"known_at": datetime(2025, 7, 6, 23)}
    ]  # midnight in London's summer


@pytest.mark.faults
@pytest.mark.parametrize(
    ("record", "reason", "column"),
    [
        ("O1;1;a1;S1;2025-01-06;five;1", "not_a_number", "quantity"),
        ("O1;1;a1;S1;2025-01-06;1,5;1", "not_a_number", "quantity"),
        ("O1;1;a1;S1;2025-01-06;1.00001;1", "too_many_digits", "quantity"),
        ("O1;1;a1;S1;2025-01-06;99999999999999999999;1", "not_a_number", "quantity"),
        ("O1;1;a1;S1;2025-01-06;2000000;1", "quantity_out_of_range", None),
        ("O1;1;a1;S1;2025-13-06;1;1", "not_a_date", "order_date"),
        ("O1;1;a1;S1;06.01.2025;1;1", "not_a_date", "order_date"),
        ("O1;1;;S1;2025-01-06;1;1", "missing_value", "item_code"),
        ("O1;1; ;S1;2025-01-06;1;1", "missing_value", "item_code"),
        ("O1;1;a1;S1;2025-01-06;1", "too_few_fields", None),
        ("O1;1;a1;S1;2025-01-06;1;1;1", "too_many_fields", None),
        ('O1;1;"a1;S1;2025-01-06;1;1', "broken_quote", None),
        ("O1;1;a\0;S1;2025-01-06;1;1", "nul_byte", "item_code"),
        ("x", "too_few_fields", None),
    ],
)
def test_a_bad_row_is_kept_with_its_reason_and_its_line(
    company: Company, record: str, reason: str, column: str | None
) -> None:
    company.orders(GOOD, record)
    report = company.ingest()
    assert (report.landed_rows, report.accepted_rows, report.quarantined_rows) == (2, 1, 1)
    assert reasons(company) == [(3, reason, column)]
    [row] = company.quarantine()
    assert str(row["original_text"]).rstrip("\n") == record
    assert balanced(company)


@pytest.mark.faults
@pytest.mark.parametrize("line_numbers", ["true", "false"])
def test_what_a_quote_without_end_swallows_is_set_aside_though_a_stray_quote_makes_the_signs_even(
    tmp_path: Path, line_numbers: str
) -> None:
    text = SETTINGS.replace("    optional:", f"    line_numbers: {line_numbers}\n    optional:")
    company = Company(tmp_path, text)
    company.orders(GOOD, 'O2;1;19" rack;S1;2025-01-06;1;1', 'O3;1;"open;S1;2025-01-06;1;1', GOOD, GOOD)
    report = company.ingest()
    assert (report.landed_rows, report.accepted_rows, report.quarantined_rows) == (3, 2, 1)
    [row] = company.quarantine()
    assert (row["line"], row["reason"]) == (4, "broken_quote")
    assert str(row["original_text"]).split("\n") == ['O3;1;"open;S1;2025-01-06;1;1', GOOD, GOOD]


def test_the_value_at_risk_is_quantity_times_price(company: Company) -> None:
    company.orders("O1;1;a1;S1;never;4;2.50")
    assert company.ingest().value_at_risk == Decimal("10.0000")


@pytest.mark.faults
def test_an_article_number_in_the_column_of_the_quantity_sets_its_row_aside(company: Company) -> None:
    """Its product with the price is more than DuckDB makes of two decimals by itself."""
    company.orders(
        "O1;1;a1;S1;2025-01-06;4012345678901;9.99",
        "O2;1;a1;S1;2025-01-06;99999999999999;99999",
        "O3;1;a1;S1;2025-01-06;5;1",
    )
    company.ingest()
    assert [row["order_id"] for row in company.raw()] == ["O3"]
    told = [(row["line"], row["reason"], row["value_at_risk"]) for row in company.quarantine()]
    # More than 14 digits are not told.
    assert told == [
        (2, "quantity_out_of_range", Decimal("40083333332220.99")),
        (3, "quantity_out_of_range", None),
    ]


@pytest.mark.faults
def test_an_object_that_stands_for_a_day_to_come_is_set_aside(tmp_path: Path) -> None:
    company = Company(tmp_path, SETTINGS.replace("    optional:", "    delivery: {every: day}\n    optional:"))
    company.orders("O1;1;a1;S1;2025-01-06;5;2.50", day="2205-01-06")
    company.orders("O2;1;a1;S1;2025-01-06;5;2.50", day="2025-02-02")
    report = company.ingest(now=datetime(2025, 2, 1))
    assert list(report.set_aside) == ["orders/2205-01-06.csv"]
    assert "day_has_not_come: its name says that it stands for 2205-01-06" in report.set_aside["orders/2205-01-06.csv"]
    assert [row["order_id"] for row in company.raw()] == ["O2"]


def test_lines_count_records_and_go_on_after_broken_ones(company: Company) -> None:
    company.orders(
        "O1;1;too few", GOOD, 'O2;1;"a\n1";S1;2025-01-06;1;1', "O3;1;too few", "O4;1;a1;S1;2025-01-06;x;1", GOOD
    )
    company.ingest()
    assert [(row["order_id"], row["line"]) for row in company.raw()] == [("O1", 3), ("O2", 4), ("O1", 7)]
    assert [(line, reason) for line, reason, _ in reasons(company)] == [
        (2, "too_few_fields"),
        (5, "too_few_fields"),
        (6, "not_a_number"),
    ]


def test_a_key_that_repeats_in_a_file_is_kept_twice_with_its_lines(company: Company) -> None:
    company.orders(GOOD, GOOD)
    company.ingest()
    assert [row["line"] for row in company.raw()] == [2, 3]


@pytest.mark.faults
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty_object"),
        (gzip.compress(f"{ORDERS}\n{GOOD}\n".encode(), mtime=0)[:-9], "broken_gzip"),
        (b"\x1f\x8bnonsense", "broken_gzip"),
        (b"order;line\n1;2\n", "wrong_header"),
        (f"{ORDERS};qty\n{GOOD};1\n".encode(), "wrong_header"),
        (f"{ORDERS}\nO1;1;M\u00fcller;S1;2025-01-06;1;1\n".encode("latin-1"), "wrong_encoding"),
    ],
)
def test_a_hopeless_file_is_set_aside_whole_and_the_rest_goes_on(company: Company, content: bytes, reason: str) -> None:
    company.put("orders/2025-01-05.csv", content)
    company.orders(GOOD)
    report = company.ingest()
    assert list(report.set_aside) == ["orders/2025-01-05.csv"]
    assert report.accepted_rows == 1
    assert [(row["object_name"], row["line"], row["reason"]) for row in company.quarantine()] == [
        ("orders/2025-01-05.csv", None, reason)
    ]
    assert [row["status"] for row in company.manifest()] == ["set_aside", "ingested"]
    assert balanced(company)


@pytest.mark.faults
def test_a_file_with_a_header_only_is_in_with_no_rows(company: Company) -> None:
    company.orders()
    report = company.ingest()
    assert (report.objects, report.landed_rows, report.set_aside) == (1, 0, {})


@pytest.mark.faults
@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf" + f"{ORDERS}\n{GOOD}\n".encode(),
        f"{ORDERS}\r\n{GOOD}\r\n".encode(),
        f"{ORDERS}\n\n{GOOD}".encode(),
        gzip.compress(f"{ORDERS}\n{GOOD}\n".encode()),
    ],
    ids=["byte order mark", "line ends of Windows", "blank line and no last line end", "gzip"],
)
def test_forms_of_one_file_read_alike(company: Company, content: bytes) -> None:
    company.put("orders/2025-01-06.csv", content)
    company.ingest()
    assert [(row["item_code"], row["quantity"], row["line"]) for row in company.raw()] == [("A1", Decimal(5), 2)]


@pytest.mark.faults
def test_latin_1_and_decimal_commas_are_read_where_they_are_declared(tmp_path: Path) -> None:
    form = 'format: {type: csv, delimiter: ";", encoding: latin-1, decimal: ",", thousands: "."}'
    company = Company(tmp_path, SETTINGS.replace('format: {type: csv, delimiter: ";"}', form))
    text = f"{ORDERS}\nO1;1;Müller;S1;2025-01-06;1.234,5;0,99\nO1;2;a;S1;2025-01-06;1,2,3;1\n"
    company.put("orders/2025-01-06.csv", text.encode("latin-1"))
    company.ingest()
    assert [(row["item_code"], row["quantity"]) for row in company.raw()] == [("MÜLLER", Decimal("1234.5000"))]
    assert reasons(company) == [(3, "not_a_number", "quantity")]


@pytest.mark.faults
def test_a_record_of_100_mb_is_a_bad_row_and_the_others_are_taken(company: Company) -> None:
    company.orders(GOOD, f"O2;1;{'x' * 100_000_000};S1;2025-01-06;1;1", GOOD)
    company.ingest()
    assert [row["line"] for row in company.raw()] == [2, 4]
    assert [(row["line"], row["reason"]) for row in company.quarantine()] == [(3, "record_too_long")]
    assert balanced(company)


def jsonl(tmp_path: Path) -> Company:
    return Company(tmp_path, SETTINGS.replace('format: {type: csv, delimiter: ";"}', "format: {type: jsonl}"))


@pytest.mark.faults
@pytest.mark.parametrize("block", [4 << 20, 3])
def test_a_nul_that_json_escapes_is_a_bad_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    monkeypatch.setattr(plain, "BLOCK", block)
    company = jsonl(tmp_path)
    text = '{"order":"ORDER","line":"1","item":"a1","ship_to":"S1","date":"2025-01-06","qty":5,"price":2.5}'
    rows = [text.replace("ORDER", order) for order in (r"K\u0000", r"K\\u0000", "K")]
    company.put("orders/2025-01-06.jsonl", "\n".join(rows))
    company.ingest()
    assert [row["order_id"] for row in company.raw()] == [r"K\u0000", "K"]
    assert reasons(company) == [(1, "nul_byte", "order_id")]
    assert balanced(company)


def test_json_lines_that_end_in_several_ways_are_read(tmp_path: Path) -> None:
    company = jsonl(tmp_path)
    good = '{"order":"O1","line":"1","item":"a1","ship_to":"S1","date":"2025-01-06","qty":5,"price":2.5}'
    company.put("orders/2025-01-06.jsonl", f"{good}\r\n{good}\n{{broken\r\n\r\n{good}\r{good}")
    report = company.ingest()
    assert (report.set_aside, report.landed_rows, report.accepted_rows) == ({}, 5, 4)
    assert [row["line"] for row in company.raw()] == [1, 2, 4, 5]
    assert [(row["line"], row["original_text"]) for row in company.quarantine()] == [(3, "{broken")]


def test_json_lines_are_read_and_what_is_no_object_is_a_bad_row(tmp_path: Path) -> None:
    company = jsonl(tmp_path)
    good = '{"order":"O1","line":"1","item":"a1","ship_to":"S1","date":"2025-01-06","qty":5,"price":2.5}'
    company.put("orders/2025-01-06.jsonl", f"{good}\n[1]\n{{broken\n{good}\n")
    company.ingest()
    assert [(row["quantity"], row["line"]) for row in company.raw()] == [(Decimal(5), 1), (Decimal(5), 4)]
    assert [(row["line"], row["reason"], row["original_text"]) for row in company.quarantine()] == [
        (2, "not_json", "[1]"),
        (3, "not_json", "{broken"),
    ]


@pytest.mark.faults
def test_blank_lines_are_no_records_and_numbers_and_texts_go_together(tmp_path: Path) -> None:
    company = jsonl(tmp_path)
    good = '{"order":"O1","line":"1","item":"a1","ship_to":"S1","date":"2025-01-06","qty":5,"price":2.5}'
    company.put("orders/2025-01-06.jsonl", f"\n{good}\n\n\n{{broken\n\n{good}\n\n")
    company.ingest()
    assert [row["line"] for row in company.raw()] == [1, 3]
    assert [(row["line"], row["original_text"]) for row in company.quarantine()] == [(2, "{broken")]
    assert balanced(company)


@pytest.mark.faults
@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ('{"order":"' + "x" * (9 << 20) + '"}', "record_too_long"),
        ('{"order":"a\x1fb"}', "not_json"),
        ("{}\x1fa\x1fb", "not_json"),
        ("\x1f", "not_json"),
    ],
)
def test_a_line_that_cannot_be_a_record_costs_no_other_one(tmp_path: Path, record: str, reason: str) -> None:
    company = jsonl(tmp_path)
    good = '{"order":"O1","line":"1","item":"a1","ship_to":"S1","date":"2025-01-06","qty":5,"price":2.5}'
    company.put("orders/2025-01-06.jsonl", f"{good}\n{record}\n{good}\n[]\n{record}")
    company.ingest()
    assert [row["line"] for row in company.raw()] == [1, 3]
    assert reasons(company) == [(2, reason, None), (4, "not_json", None), (5, reason, None)]
    assert [str(row["original_text"])[:5] for row in company.quarantine()] == [record[:5], "[]", record[:5]]
    assert balanced(company)


def parquet(tmp_path: Path, quantity: pa.Array) -> Company:
    company = Company(tmp_path, SETTINGS.replace('format: {type: csv, delimiter: ";"}', "format: {type: parquet}"))
    n = len(quantity)
    path = company.put("orders/2025-01-06.parquet", b"")
    table = pa.table(
        {
            "order": [f"O{i}" for i in range(n)],
            "line": pa.array(range(n), pa.int32()),
            "item": ["a1"] * n,
            "ship_to": ["S1"] * n,
            "date": pa.array([date(2025, 1, 6)] * n),
            "qty": quantity,
            "price": pa.array([2.5] * n),
        }
    )
    pq.write_table(table, path)
    return company


@pytest.mark.parametrize("kind", [pa.int64(), pa.float64(), pa.decimal128(12, 2), pa.string()])
def test_parquet_types_that_hold_a_number_are_read(tmp_path: Path, kind: pa.DataType) -> None:
    company = parquet(tmp_path, pa.array([5, 6], pa.int32()).cast(kind))
    company.ingest()
    assert [(row["quantity"], row["order_date"]) for row in company.raw()] == [
        (Decimal(5), date(2025, 1, 6)),
        (Decimal(6), date(2025, 1, 6)),
    ]


@pytest.mark.faults
def test_parquet_with_another_type_is_set_aside(tmp_path: Path) -> None:
    company = parquet(tmp_path, pa.array([[1], [2]]))
    report = company.ingest()
    assert "wrong_type: 'qty' is BIGINT[]" in report.set_aside["orders/2025-01-06.parquet"]


@pytest.mark.faults
def test_a_file_that_changes_while_it_is_read_is_left_for_the_next_time(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = company.orders(GOOD)
    before = company.zone.list

    def changing(*args: object, **kwargs: object):  # type: ignore[no-untyped-def]
        yield from before()
        path.write_text(f"{ORDERS}\n{GOOD}\n{GOOD}\n")

    monkeypatch.setattr("o9_assets.resources.landing_zone.FolderZone.list", lambda self, *a, **k: changing())
    assert company.ingest().left_for_later == ["orders/2025-01-06.csv"]
    monkeypatch.undo()
    assert company.ingest().accepted_rows == 2


@pytest.mark.faults
def test_two_ingests_of_a_feed_at_once_leave_each_object_once(company: Company) -> None:
    for n in range(1, 20):
        company.orders(GOOD, f"O{n};9;a1;S1;2025-01-06;1;1", day=f"2025-01-{n:02d}")
    code = (
        "from pathlib import Path; import sys; from o9_assets_tests.company import Company; "
        "Company(Path(sys.argv[1])).ingest()"
    )
    running = [subprocess.Popen([sys.executable, "-c", code, str(company.home)]) for _ in range(3)]
    assert [process.wait(120) for process in running] == [0, 0, 0]
    assert len(company.raw()) == 38
    assert len(company.manifest()) == 19
    assert balanced(company)


KILLED = """
import sys, time, threading, os, signal
from pathlib import Path
from o9_assets_tests.company import Company
threading.Timer(float(sys.argv[2]), lambda: os.kill(os.getpid(), signal.SIGKILL)).start()
Company(Path(sys.argv[1])).ingest()
os._exit(0)
"""


@pytest.mark.faults
def test_a_kill_at_any_moment_and_another_run_leave_the_state_of_one_run(tmp_path: Path) -> None:
    whole, killed = Company(tmp_path / "whole"), Company(tmp_path / "killed")
    dice, ends = random.Random(3), []
    for n in range(1, 15):
        for company in (whole, killed):
            company.orders(GOOD, f"O{n};2;a1;S1;2025-01-06;bad;1", day=f"2025-01-{n:02d}")
        done = subprocess.run(
            [sys.executable, "-c", KILLED, str(killed.home), str(dice.uniform(0, 0.6))], check=False, timeout=60
        )
        ends.append(done.returncode)
    assert ends.count(-signal.SIGKILL) >= 5
    whole.ingest()
    killed.ingest()
    columns = ("order_id", "order_line", "quantity", "object_name", "line")
    assert killed.raw("erp_orders", *columns) == whole.raw("erp_orders", *columns)
    assert [(r["object_name"], r["line"], r["reason"]) for r in killed.quarantine()] == [
        (r["object_name"], r["line"], r["reason"]) for r in whole.quarantine()
    ]
    assert balanced(killed)


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), max_size=12)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(TEXT, min_size=1, max_size=9), max_size=8))
def test_whatever_lands_every_record_is_accounted_for(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]]
) -> None:
    company = Company(tmp_path_factory.mktemp("any"))
    text = "\n".join([ORDERS, GOOD, *(";".join(row) for row in rows)]) + "\n"
    company.put("orders/2025-01-06.csv", text)
    report = company.ingest()
    assert report.landed_rows == report.accepted_rows + report.quarantined_rows
    assert len(company.raw()) == report.accepted_rows
    assert balanced(company)
    if '"' not in text and not report.set_aside:
        assert report.landed_rows == sum(1 for line in text.split("\n") if line) - 1  # without the header


def test_a_file_with_two_kinds_of_line_ends_is_read(company: Company) -> None:
    quoted = 'O3;1;"a\r\n1";S1;2025-01-06;5;2.50'
    company.put("orders/2025-01-06.csv", f"{ORDERS}\r\n{GOOD}\nO2;1;a1;S1;2025-01-06;x;1\r\n\n{quoted}\r\n{GOOD}")
    report = company.ingest()
    assert (report.set_aside, report.landed_rows, report.accepted_rows) == ({}, 4, 3)
    assert [(row["line"], row["item_code"]) for row in company.raw()] == [(2, "A1"), (4, "A\r\n1"), (5, "A1")]
    [fault] = company.quarantine()
    assert (fault["line"], fault["original_text"]) == (3, "O2;1;a1;S1;2025-01-06;x;1")


@pytest.mark.parametrize(("of_header", "of_rows"), [("\r\n", "\n"), ("\n", "\r\n"), ("\r", "\n")])
def test_a_header_that_ends_otherwise_than_rows_whose_last_field_is_quoted_costs_no_row(
    company: Company, of_header: str, of_rows: str
) -> None:
    rows = (f'"O{n}";"1";"a1";"S1";"2025-01-06";"5";"1"{of_rows}' for n in range(100))
    company.put("orders/2025-01-06.csv", f"{ORDERS}{of_header}{''.join(rows)}")
    report = company.ingest()
    assert (report.landed_rows, report.accepted_rows) == (100, 100)
    assert [row["line"] for row in company.raw()] == list(range(2, 102))


@pytest.mark.parametrize("line_numbers", ["true", "false"])
@pytest.mark.parametrize("last", ["1", '"1"'])
def test_one_row_that_ends_otherwise_among_many_costs_no_row(tmp_path: Path, last: str, line_numbers: str) -> None:
    text = SETTINGS.replace("    optional:", f"    line_numbers: {line_numbers}\n    optional:")
    company = Company(tmp_path, text)
    for day, usual, other in (("06", "\n", "\r\n"), ("07", "\r\n", "\n")):
        rows = [f"O{n};1;a1;S1;2025-01-06;5;{last}{other if n == 50 else usual}" for n in range(100)]
        company.put(f"orders/2025-01-{day}.csv", f"{ORDERS}{usual}{''.join(rows)}")
    report = company.ingest()
    assert (report.landed_rows, report.accepted_rows) == (200, 200)


def test_a_blank_line_before_the_header_that_ends_otherwise_hides_no_row(company: Company) -> None:
    company.put("orders/2025-01-06.csv", f"\n{ORDERS}\r\n{GOOD}\r\n")
    company.put("orders/2025-01-07.csv", f"\r\n\n{ORDERS}\n{GOOD}\n")
    assert company.ingest().accepted_rows == 2
    assert [row["line"] for row in company.raw()] == [2, 2]


def test_records_that_end_with_a_carriage_return_are_told_apart(company: Company) -> None:
    broken, quoted = "O3;1;a1", 'O4;1;"a\r1";S1;2025-01-06;5;1'
    company.orders(GOOD, "O2;1;a1;S1;2025-01-06;x;1", broken, quoted, end="\r")
    company.ingest()
    assert [(row["line"], row["item_code"]) for row in company.raw()] == [(2, "A1"), (5, "A\r1")]
    assert [(row["line"], row["reason"], row["original_text"]) for row in company.quarantine()] == [
        (3, "not_a_number", "O2;1;a1;S1;2025-01-06;x;1"),
        (4, "too_few_fields", broken),
    ]


@pytest.mark.parametrize("blank", ["\n", "\r\n\r\n"])
def test_blank_lines_before_the_header_are_no_records(company: Company, blank: str) -> None:
    end = blank[:2] if blank.startswith("\r") else "\n"
    rows = (ORDERS, GOOD, "O2;1;a1;S1;2025-01-06;x;1", "O3;1;a1;S1")
    company.put("orders/2025-01-06.csv", blank + "".join(row + end for row in rows))
    report = company.ingest()
    assert (report.landed_rows, report.accepted_rows) == (3, 1)
    assert [(row["line"], row["original_text"]) for row in company.quarantine()] == [(3, rows[2]), (4, rows[3])]


def test_what_a_transfer_wrote_is_taken_in_whole_though_it_ends_while_the_zone_is_listed(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = {"kind": "datasync", "resource": "task", "lands": "orders/", "state": "running", "token": "t", "number": 1}
    row = {**dict.fromkeys(TRANSFERS.column_names), **text, "transfer": "share", "started_at": datetime(2025, 1, 6, 8)}

    def keep(state: str) -> None:
        rows = [{**row, "state": state, "ended_at": None if state == "running" else datetime(2025, 1, 6, 9)}]
        table = pa.Table.from_pylist(rows, schema=TRANSFERS.arrow_schema)
        company.lake.overwrite(TRANSFERS, table, equal("transfer", "share"))

    keep("running")
    company.orders(GOOD, day="2025-01-06a")
    listing = FolderZone.list

    def listed(zone: FolderZone, prefix: str = "", **how: Any) -> Iterator[LandedObject]:
        yield from list(listing(zone, prefix, **how))
        monkeypatch.setattr(FolderZone, "list", listing)
        company.orders(GOOD.replace("O1", "O2"), day="2025-01-06b")
        keep("succeeded")

    monkeypatch.setattr(FolderZone, "list", listed)
    assert company.ingest().objects == 0
    assert company.ingest().objects == 2


@pytest.mark.faults
@pytest.mark.parametrize(
    ("days", "moments"),
    [([3_672_000], [0]), ([-800_000], [0]), ([2**31 - 1], [0]), ([20_000], [2**63 - 1]), ([20_000], [2**58])],
)
def test_a_day_that_no_calendar_holds_is_a_bad_row_and_the_others_are_taken(
    tmp_path: Path, days: list[int], moments: list[int]
) -> None:
    """Such as `infinity` of PostgreSQL. Python and the lake hold the years 1 to 9999."""
    units = """
  uom_conversions:
    path: "units/*"
    format: {type: parquet}
    columns: {item_code: item, uom_code: unit, valid_from_date: day, factor: factor, changed_at: at}
o9:
"""
    company = Company(tmp_path, SETTINGS.replace("\no9:\n", units))
    table = pa.table(
        {
            "item": ["*", "*"],
            "unit": ["CASE", "BOX"],
            "day": pa.array([20_000, *days], pa.date32()),
            "factor": ["12", "12"],
            "at": pa.array([0, *moments], pa.timestamp("us")),
        }
    )
    pq.write_table(table, company.put("units/a.parquet", b""))
    company.ingest("uom_conversions")
    assert [row["uom_code"] for row in company.raw("uom_conversions")] == ["CASE"]
    assert [row["reason"] for row in company.quarantine()] in (["not_a_date"], ["not_a_time"])


@pytest.mark.parametrize("unit", ["ns", "us"])
def test_moments_with_a_zone_as_pandas_writes_them_fall_on_the_company_s_day(tmp_path: Path, unit: str) -> None:
    company = parquet(tmp_path, pa.array([5]))
    company.text = company.text.replace("timezone: UTC", "timezone: Europe/Berlin")
    company.text = company.text.replace("unit_price: price", "unit_price: price\n      changed_at: date")
    company.__post_init__()
    path = company.landing / "orders/2025-01-06.parquet"
    moment = pa.array([datetime(2025, 7, 6, 22, 30)], pa.timestamp(unit, "UTC"))
    pq.write_table(pq.read_table(path).set_column(4, "date", moment), path)
    company.ingest()
    [row] = company.raw()
    assert (row["order_date"], row["changed_at"]) == (date(2025, 7, 7), datetime(2025, 7, 6, 22, 30))
