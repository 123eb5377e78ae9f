"""Files as DMS writes them are a feed like any other, and the latest version of a row is the one DMS wrote last."""

import gzip
import os
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from o9_assets.assets.curated.order_lines import ORDER_LINES, make
from o9_assets.landing.accounts import account_of
from o9_assets.landing.replay import mend
from o9_assets.planning.settings import SettingsError, bind, parse
from o9_assets_tests.company import SETTINGS, Company

FEED = SETTINGS.replace('path: "orders/{covers_date:%Y-%m-%d}*"', 'path: "erp/sales/lines/**"').replace(
    'format: {type: csv, delimiter: ";"}',
    'also: ["erp/changes/CDC_TXN-*"]\n    dms: {table: sales.lines}\n'
    "    format: {type: csv, header: [order, line, item, ship_to, date, qty, price], nulls: ['NULL', '']}",
)
LOAD = "erp/sales/lines/LOAD00000001.csv"
OLD, NEW = "O1,1,a,S1,2026-01-06,5,NULL", "O1,1,a,S1,2026-01-06,7,2.50"


@pytest.fixture
def company(tmp_path: Path) -> Company:
    return Company(tmp_path, FEED)


def put(company: Company, name: str, *records: str, at: datetime = datetime(2026, 2, 1)) -> None:
    """Put a file of records, last written `at`."""
    path = company.put(name, "\n".join(records) + "\n")
    os.utime(path, (at.timestamp(), at.timestamp()))


def latest(company: Company) -> dict[tuple[str, str], Decimal]:
    """Quantities of the order lines that stand, after merging what came since the last time."""
    make(company.settings, company.lake, company.engine, datetime(2026, 5, 1))
    lines = company.lake.read(ORDER_LINES).to_pylist()
    return {(line["order_id"], line["order_line"]): line["quantity"] for line in lines}


def balanced(company: Company) -> bool:
    account = account_of("erp_orders", company.dataset("erp_orders"), lake=company.lake, engine=company.engine)
    return account.balanced and account.landed == account.accepted + account.quarantined + account.superseded


def test_a_full_load_has_no_operation_and_no_header(company: Company) -> None:
    put(company, LOAD, OLD, "O1,2,a,S1,2026-01-06,1,1")
    company.ingest()
    assert [(r["order_line"], r["op"], r["line"], r["unit_price"]) for r in company.raw()] == [
        ("1", "I", 1, None),
        ("2", "I", 2, Decimal(1)),
    ]
    assert balanced(company)


def test_changes_have_the_operation_first_and_their_moment_from_the_name(company: Company) -> None:
    put(company, "erp/sales/lines/2026/02/03/20260203-101500123.csv", f"U,{NEW}", f"D,{NEW}")
    company.ingest()
    assert [(r["op"], r["changed_at"], r["quantity"]) for r in company.raw()] == [
        ("U", datetime(2026, 2, 3, 10, 15, 0, 123000), Decimal(7)),
        ("D", datetime(2026, 2, 3, 10, 15, 0, 123000), Decimal(7)),
    ]


def test_counters_and_segments_and_other_files(company: Company) -> None:
    for number, name in enumerate(["LOAD00000009.csv", "LOAD0000000A.csv", "SEGMENT12_LOAD00000001.csv"]):
        put(company, f"erp/sales/lines/{name}", f"O{number},1,a,S1,2026-01-06,1,1")
    put(company, "erp/sales/lines/notes.csv", "no file of DMS")
    put(company, "erp/sales/lines/20260231-101500123.csv", "there is no such day")
    assert company.ingest().objects == 3
    assert len(company.raw()) == 3


@pytest.mark.faults
@pytest.mark.parametrize("changes_first", [True, False])
def test_a_full_load_never_overrules_what_changed_after_it(company: Company, changes_first: bool) -> None:
    steps = [
        lambda: put(company, LOAD, OLD, "O2,1,a,S1,2026-01-06,4,1", at=datetime(2026, 2, 3, 9)),
        lambda: put(company, "erp/sales/lines/20260203-101500123.csv", f"U,{NEW}", "D,O2,1,a,S1,2026-01-06,4,1"),
    ]
    for day, step in enumerate(reversed(steps) if changes_first else steps, start=1):
        step()
        company.ingest(now=datetime(2026, 3, day))
        latest(company)
    assert latest(company) == {("O1", "1"): Decimal(7)}


def test_a_reload_overrules_what_changed_before_it(company: Company) -> None:
    put(company, LOAD, OLD, at=datetime(2026, 2, 1))
    put(company, "erp/sales/lines/20260203-101500123.csv", f"U,{NEW}")
    company.ingest(now=datetime(2026, 3, 1))
    latest(company)
    put(company, LOAD, "O1,1,a,S1,2026-01-06,9,2.50", at=datetime(2026, 2, 4))
    company.ingest(now=datetime(2026, 3, 2))
    assert latest(company) == {("O1", "1"): Decimal(9)}
    assert balanced(company)


def test_changes_of_one_file_count_in_its_order_and_of_two_files_in_that_of_their_names(company: Company) -> None:
    put(company, "erp/sales/lines/20260203-101500124.csv", "U,O1,1,a,S1,2026-01-06,3,1", "U,O1,1,a,S1,2026-01-06,4,1")
    put(company, "erp/sales/lines/20260203-101500123.csv", "U,O1,1,a,S1,2026-01-06,2,1")
    company.ingest()
    assert latest(company) == {("O1", "1"): Decimal(4)}


def test_the_endpoint_s_timestamp_column_orders_by_commit(tmp_path: Path) -> None:
    text = FEED.replace("header: [order", "header: [ts, order").replace(
        "      order_id: order\n",
        '      order_id: order\n      changed_at: {from: ts, timezone: UTC, format: "%Y-%m-%d %H:%M:%S.%f"}\n',
    )
    company = Company(tmp_path, text.replace("timezone: UTC\ncurrency", "timezone: Europe/Berlin\ncurrency"))
    put(company, LOAD, f"2026-02-03 09:00:00.000000,{OLD}")
    put(company, "erp/sales/lines/20260203-101500123.csv", f"U,2026-02-03 09:00:00.000001,{NEW}")
    company.ingest()
    assert [r["changed_at"] for r in company.raw()] == [
        datetime(2026, 2, 3, 9, 0, 0, 1),
        datetime(2026, 2, 3, 9),
    ]
    assert latest(company) == {("O1", "1"): Decimal(7)}


def test_named_columns_and_operations_in_full_loads(tmp_path: Path) -> None:
    company = Company(tmp_path, FEED.replace("header: [order, line, item, ship_to, date, qty, price], ", ""))
    names = "order,line,item,ship_to,date,qty,price"
    put(company, LOAD, names, OLD)
    put(company, "erp/sales/lines/20260203-101500123.csv", f"Op,{names}", f"U,{NEW}")
    company.ingest()
    assert [(r["op"], r["line"]) for r in company.raw()] == [("U", 2), ("I", 2)]


def test_a_transactional_file_gives_each_feed_its_table_s_records(company: Company) -> None:
    put(company, LOAD, OLD)
    company.put(
        "erp/changes/CDC_TXN-20260203101500123.csv.gz",
        gzip.compress(
            b"I,items,sales,a,Apples\n"
            b"U,lines,sales,O1,1,a,S1,2026-01-06,7,2.50\n"
            b'I,items,sales,b,"Pears, ""green"",\nfresh"\n'
            b"U,lines,sales,O1,1,a,S1,2026-01-06,many,2.50\n"
            b"I,lines,archive,O9,1,a,S1,2026-01-06,7,2.50\n"
            b"D,lines,sales,O7,1,a,S1,2026-01-06,7,2.50\n"
        ),
    )
    company.ingest()
    assert [(r["op"], r["order_id"], r["line"]) for r in company.raw()] == [
        ("U", "O1", 2),
        ("D", "O7", 6),
        ("I", "O1", 1),
    ]
    [bad] = company.quarantine()
    assert (bad["line"], bad["reason"], bad["original_text"]) == (
        4,
        "not_a_number",
        "U,lines,sales,O1,1,a,S1,2026-01-06,many,2.50",
    )
    listed = {m["object_name"]: (m["landed_rows"], m["other_rows"]) for m in company.manifest()}
    assert listed == {"erp/changes/CDC_TXN-20260203101500123.csv.gz": (3, 3), LOAD: (1, None)}
    assert latest(company) == {("O1", "1"): Decimal(7)}
    assert balanced(company)


@pytest.mark.faults
def test_broken_records_are_found_by_their_number_in_the_whole_file(company: Company) -> None:
    put(
        company,
        "erp/changes/CDC_TXN-20260203101500123.csv",
        "I,items,sales,a",
        "U,lines,sales,O1,1",
        "rubbish",
        f"U,lines,sales,{NEW}",
    )
    company.ingest()
    assert [(b["line"], b["reason"], b["original_text"]) for b in company.quarantine()] == [
        (2, "too_few_fields", "U,lines,sales,O1,1"),
        (3, "too_few_fields", "rubbish"),
    ]
    assert [r["line"] for r in company.raw()] == [4]
    assert balanced(company)


@pytest.mark.faults
def test_a_mended_record_of_a_full_load_is_as_old_as_the_load(company: Company) -> None:
    put(company, LOAD, "O1,1,a,S1,2026-01-06,many,1", at=datetime(2026, 2, 1))
    put(company, "erp/sales/lines/20260203-101500123.csv", f"U,{NEW}")
    company.ingest()
    feed, dataset = bind(company.settings, company.dataset("erp_orders")), company.dataset("erp_orders")
    mend(
        "erp_orders",
        feed,
        dataset,
        LOAD,
        1,
        OLD,
        timezone="UTC",
        zone=company.zone,
        lake=company.lake,
        engine=company.engine,
        now=datetime(2026, 4, 1),
    )
    assert latest(company) == {("O1", "1"): Decimal(7)}
    assert balanced(company)


@pytest.mark.faults
def test_a_delete_of_an_unknown_key_deletes_nothing_and_is_kept(company: Company) -> None:
    put(company, LOAD, OLD)
    put(company, "erp/sales/lines/20260203-101500123.csv", "D,O9,1,a,S1,2026-01-06,1,1")
    company.ingest()
    assert [r["op"] for r in company.raw()] == ["D", "I"]
    assert latest(company) == {("O1", "1"): Decimal(5)}


@pytest.mark.faults
def test_two_tasks_that_write_the_same_names_double_nothing(company: Company) -> None:
    put(company, LOAD, OLD, "O2,1,a,S1,2026-01-06,4,1")
    company.ingest(now=datetime(2026, 3, 1))
    latest(company)
    put(company, LOAD, OLD, "O3,1,a,S1,2026-01-06,4,1", at=datetime(2026, 2, 2))
    company.ingest(now=datetime(2026, 3, 2))
    assert latest(company) == {("O1", "1"): Decimal(5), ("O3", "1"): Decimal(4)}
    assert balanced(company)


def test_what_a_truncate_deletes_stays(company: Company) -> None:
    put(company, LOAD, OLD)
    company.ingest()
    (company.landing / LOAD).unlink()
    assert company.ingest().objects == 0
    assert latest(company) == {("O1", "1"): Decimal(5)}


def test_parquet_of_dms(tmp_path: Path) -> None:
    company = Company(
        tmp_path,
        FEED.replace(
            "type: csv, header: [order, line, item, ship_to, date, qty, price], nulls: ['NULL', '']", "type: parquet"
        ),
    )
    row = {"order": "O1", "line": 1, "item": "a", "ship_to": "S1", "date": datetime(2026, 1, 6).date()}
    load, change = tmp_path / "load", tmp_path / "change"
    pq.write_table(pa.Table.from_pylist([{**row, "qty": Decimal("5.00")}]), load, version="1.0")
    pq.write_table(pa.Table.from_pylist([{"Op": "U", **row, "qty": Decimal("7.00")}]), change, compression="gzip")
    written = company.put(LOAD.replace("csv", "parquet"), load.read_bytes())
    os.utime(written, (0, 0))
    company.put("erp/sales/lines/20260203-101500123.parquet", change.read_bytes())
    company.ingest()
    assert latest(company) == {("O1", "1"): Decimal(7)}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("dms: {table: lines}", "feeds.erp_orders.dms.table"),
        ("dms: {tabel: sales.lines}", "did you mean 'table'"),
    ],
)
def test_a_wrong_declaration_says_what_is_wrong(wrong: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        parse(FEED.replace("dms: {table: sales.lines}", wrong))


def test_a_header_must_have_what_is_mapped() -> None:
    with pytest.raises(SettingsError, match=r"format.header: lacks 'qty'"):
        parse(FEED.replace("date, qty, price", "date, price"))
