"""What is withdrawn counts no more and is not taken in again, whichever of its versions lies in the landing zone."""

from datetime import datetime
from pathlib import Path

import duckdb
import pytest

from o9_assets.landing.accepted import accepted_view
from o9_assets.landing.accounts import account_of
from o9_assets.landing.withdrawn import withdraw
from o9_assets.planning.settings import bind
from o9_assets_tests.company import Company

FIRST, SECOND = "O1;1;a1;S1;2025-01-06;5;2.50", "O1;1;a1;S1;2025-01-06;7;2.50"


@pytest.fixture
def company(tmp_path: Path) -> Company:
    return Company(tmp_path)


def withdrawn(company: Company) -> dict[str, int]:
    feeds = {"erp_orders": bind(company.settings, company.dataset("erp_orders"))}
    now = datetime(2025, 3, 1)
    return withdraw(feeds, ["orders/"], lambda name: "revoked", zone=company.zone, lake=company.lake, now=now)


@pytest.mark.parametrize("put_back", ["taken in", "not taken in"])
def test_what_was_put_back_is_withdrawn_for_good(company: Company, put_back: str) -> None:
    path = company.orders(FIRST)
    company.ingest()
    aside = path.rename(company.home / "aside.csv")
    company.orders(SECOND)
    company.ingest(now=datetime(2025, 2, 2))
    aside.replace(path)
    if put_back == "taken in":
        assert company.ingest(now=datetime(2025, 2, 3)).objects == 1
    assert sum(withdrawn(company).values()) == {"taken in": 1, "not taken in": 2}[put_back]
    assert withdrawn(company) == {}
    assert company.ingest(now=datetime(2025, 3, 2)).objects == 0
    with duckdb.connect() as con:
        accepted_view(con, company.lake, company.dataset("erp_orders"), "erp_orders", "now")
        assert con.execute("SELECT count(*) FROM now").fetchall() == [(0,)]
    assert account_of("erp_orders", company.dataset("erp_orders"), lake=company.lake, engine=company.engine).balanced
