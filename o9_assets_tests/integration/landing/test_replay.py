"""A quarantined record can be mended, and an object judged anew, without the account of rows losing its balance."""

from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from o9_assets.assets.raw.feed_report import standing
from o9_assets.dataset import Dataset
from o9_assets.failures import Permanent
from o9_assets.landing.accepted import accepted_view, changes_since
from o9_assets.landing.accounts import account_of
from o9_assets.landing.replay import mend, reread
from o9_assets.planning.settings import bind
from o9_assets.resources.lake import Lake
from o9_assets_tests.company import SETTINGS, Company

NAME = "orders/2025-01-06.csv"
GOOD, BAD = "O1;1;a1;S1;2025-01-06;5;2.50", "O2;1;a1;S1;2025-01-06;five;2.50"
MENDED = "O2;1;a1;S1;2025-01-06;5;2.50"


@pytest.fixture
def company(tmp_path: Path) -> Company:
    company = Company(tmp_path)
    company.orders(GOOD, BAD)
    company.ingest()
    return company


def rooms(company: Company) -> dict[str, Any]:
    return {
        "timezone": "UTC",
        "zone": company.zone,
        "lake": company.lake,
        "engine": company.engine,
        "now": datetime(2025, 3, 1),
    }


def mended(company: Company, line: int = 3, text: str = MENDED, name: str = NAME) -> None:
    dataset = company.dataset("erp_orders")
    mend("erp_orders", bind(company.settings, dataset), dataset, name, line, text, **rooms(company))


def test_a_mended_record_takes_its_place_and_is_known_from_now_on(company: Company) -> None:
    mended(company)
    assert [(r["order_id"], r["line"], r["known_at"]) for r in company.raw()] == [
        ("O1", 2, datetime(2025, 2, 1)),
        ("O2", 3, datetime(2025, 3, 1)),
    ]
    [row] = company.quarantine()
    assert (row["mended_at"], row["original_text"]) == (datetime(2025, 3, 1), BAD)
    account = account_of("erp_orders", company.dataset("erp_orders"), lake=company.lake, engine=company.engine)
    assert (account.balanced, account.landed, account.mended) == (True, 2, 1)
    assert (account.accepted, account.quarantined) == (2, 0)
    told = standing("erp_orders", company.lake, company.engine)["account of rows"]
    assert told.startswith("2 landed = 2 accepted + 0 quarantined + 0 superseded")
    assert told.endswith("; 1 of the accepted were mended")


def test_downstream_sees_the_mended_record_as_a_change_and_the_past_does_not(company: Company) -> None:
    mended(company)
    with duckdb.connect() as con:
        assert len(changes_since(con, company.lake, "erp_orders", 1).new_objects) == 1
        accepted_view(con, company.lake, company.dataset("erp_orders"), "erp_orders", "now")
        accepted_view(
            con, company.lake, company.dataset("erp_orders"), "erp_orders", "before", as_of=datetime(2025, 2, 15)
        )
        assert con.execute("SELECT count(*) FROM now").fetchall() == [(2,)]
        assert con.execute("SELECT count(*) FROM before").fetchall() == [(1,)]


def test_a_record_is_mended_once(company: Company) -> None:
    mended(company)
    with pytest.raises(Permanent, match=f"No record 3 of {NAME} is in quarantine"):
        mended(company)


@pytest.mark.faults
@pytest.mark.parametrize("dies", ["raw.erp_orders", "raw.manifest", "raw.quarantine"])
def test_a_mend_that_dies_can_be_done_again(company: Company, monkeypatch: pytest.MonkeyPatch, dies: str) -> None:
    written = Lake.overwrite

    def overwrite(lake: Lake, dataset: Dataset, *given: Any, **keys: Any) -> Any:
        if dataset.name == dies:
            raise KeyboardInterrupt
        return written(lake, dataset, *given, **keys)

    with monkeypatch.context() as patch:
        patch.setattr(Lake, "overwrite", overwrite)
        with pytest.raises(KeyboardInterrupt):
            mended(company)
    with duckdb.connect() as con:
        seen = changes_since(con, company.lake, "erp_orders", 0).seq
        mended(company)
        assert len(changes_since(con, company.lake, "erp_orders", seen).new_objects) == 1
    assert [(row["order_id"], row["line"]) for row in company.raw()] == [("O1", 2), ("O2", 3)]
    assert company.quarantine()[0]["mended_at"] is not None
    account = account_of("erp_orders", company.dataset("erp_orders"), lake=company.lake, engine=company.engine)
    assert (account.balanced, account.landed, account.mended) == (True, 2, 1)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (BAD, "a fault in quantity: not_a_number, found five"),
        (f"{MENDED}\n{MENDED}", "holds 2 records"),
        ("O2;1", "too_few_fields"),
    ],
)
def test_a_mended_text_with_a_fault_changes_nothing_and_names_it(company: Company, text: str, said: str) -> None:
    with pytest.raises(Permanent, match=said):
        mended(company, text=text)
    assert len(company.raw()) == 1
    assert company.quarantine()[0]["mended_at"] is None


@pytest.mark.parametrize("before", ["another version", "a run that died"])
def test_the_record_of_the_version_that_counts_is_mended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: str
) -> None:
    def text(number: int) -> str:
        return f'{{"order":"O{number}","line":"1","item":"a","ship_to":"S","date":"2025-01-06","qty":"%s"}}\n'

    company = Company(tmp_path, SETTINGS.replace('{type: csv, delimiter: ";"}', "{type: jsonl}"))
    company.put(NAME, text(1) % "many")
    overwrite = Lake.overwrite

    def die(self: Lake, *given: Any, **more: Any) -> None:
        overwrite(self, *given, **more)
        raise KeyboardInterrupt

    if before == "a run that died":
        monkeypatch.setattr(Lake, "overwrite", die)
        with pytest.raises(KeyboardInterrupt):
            company.ingest()
        monkeypatch.setattr(Lake, "overwrite", overwrite)
    else:
        company.ingest()
    company.put(NAME, text(2) % "few")
    company.ingest(now=datetime(2025, 2, 2))
    mended(company, 1, (text(2) % 7).strip())
    with duckdb.connect() as con:
        accepted_view(con, company.lake, company.dataset("erp_orders"), "erp_orders", "now")
        assert con.execute("SELECT order_id, quantity FROM now").fetchall() == [("O2", Decimal(7))]
    with pytest.raises(Permanent, match="No record 1 of"):
        mended(company, 1, (text(1) % 7).strip())


def test_a_record_that_is_not_in_quarantine_is_told(company: Company) -> None:
    with pytest.raises(Permanent, match=f"No record 2 of {NAME} is in quarantine"):
        mended(company, line=2)


def test_an_object_that_is_gone_cannot_tell_its_header(company: Company) -> None:
    (company.landing / NAME).unlink()
    with pytest.raises(Permanent, match="is no longer in the landing zone"):
        mended(company)


def test_a_record_of_a_version_that_was_replaced_is_not_mended(tmp_path: Path) -> None:
    headerless = SETTINGS.replace(
        'delimiter: ";"', "delimiter: ';', header: [order, line, item, ship_to, date, qty, price]"
    )
    company = Company(tmp_path, headerless.replace("    optional:", "    known_at: covers_date\n    optional:"))
    company.put(NAME, f"{GOOD}\n{BAD}\n")
    company.ingest()
    company.put(NAME, f"{GOOD}\n")
    company.ingest()
    with pytest.raises(Permanent, match="No record 2 of"):
        mended(company, line=2)
    with duckdb.connect() as con:
        accepted_view(con, company.lake, company.dataset("erp_orders"), "erp_orders", "now")
        assert con.execute("SELECT order_id FROM now").fetchall() == [("O1",)]


def test_what_was_put_back_can_be_mended_and_read_again(company: Company) -> None:
    path = company.landing / NAME
    aside = path.rename(company.home / "aside.csv")
    company.orders(GOOD)
    company.ingest(now=datetime(2025, 2, 2))
    aside.replace(path)
    company.ingest(now=datetime(2025, 2, 3))
    mended(company)
    assert company.ingest(now=datetime(2025, 3, 1)).objects == 0
    dataset = company.dataset("erp_orders")
    report = reread("erp_orders", bind(company.settings, dataset), dataset, [NAME], **rooms(company))
    assert (report.accepted_rows, report.quarantined_rows) == (1, 1)
    assert [row["object_version"].partition("@")[2] for row in company.manifest()] == ["", "", "2"]
    assert len(company.raw()) == 3
    assert account_of("erp_orders", dataset, lake=company.lake, engine=company.engine).balanced


def test_an_object_is_judged_anew_when_its_feed_s_settings_were_mended(company: Company) -> None:
    text = SETTINGS.replace("quantity: qty", "quantity: {from: qty, values: {five: '5', '5': '5'}}")
    company = Company(company.home, text)
    dataset = company.dataset("erp_orders")
    report = reread("erp_orders", bind(company.settings, dataset), dataset, [NAME], **rooms(company))
    assert (report.accepted_rows, report.quarantined_rows) == (2, 0)
    assert [row["quantity"] for row in company.raw()] == [Decimal(5), Decimal(5)]
    assert company.quarantine() == []
    assert account_of("erp_orders", dataset, lake=company.lake, engine=company.engine).balanced


def test_a_name_that_is_none_of_the_feed_s_is_told(company: Company) -> None:
    dataset = company.dataset("erp_orders")
    with pytest.raises(Permanent, match="is no object of erp_orders"):
        reread("erp_orders", bind(company.settings, dataset), dataset, ["orders/none.csv"], **rooms(company))


def test_a_record_that_the_corrected_file_has_right_waits_no_more(company: Company) -> None:
    assert "quarantine by reason" in standing("erp_orders", company.lake, company.engine)
    company.orders(GOOD, MENDED)
    company.ingest(now=datetime(2025, 2, 2))
    assert "quarantine by reason" not in standing("erp_orders", company.lake, company.engine)
