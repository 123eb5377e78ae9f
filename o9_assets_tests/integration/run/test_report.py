"""The report at the end of a run tells what holds, and what is set aside with an example of each reason."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from o9_assets.landing.accepted import standing_view
from o9_assets.landing.replay import mend
from o9_assets.planning.settings import bind
from o9_assets.run.report import came_in
from o9_assets_tests.company import Company


@pytest.fixture
def company(tmp_path: Path) -> Company:
    return Company(tmp_path)


def told(company: Company) -> list[str]:
    with company.engine.connect() as con:
        standing_view(con, company.lake, "standing")
        return [" ".join(f"{feed} {text}".split()) for feed, text in came_in(con)]


def test_what_was_replaced_or_mended_is_told_beside_what_holds(company: Company) -> None:
    company.orders(*(f"A{n};1;a1;S1;2025-01-06;5;2.50" for n in range(83)))
    company.ingest()
    for day, quantity in enumerate(("x", "7", "8"), start=1):  # landed three times, twice corrected
        company.orders(
            f"B1;1;a1;S1;2025-01-07;{quantity};2.50", "B2;1;a1;S1;2025-01-07;five and;2.50", day="2025-01-07"
        )
        company.ingest(now=datetime(2025, 2, day))
    assert told(company) == [
        "erp_orders 2 files 85 rows 84 accepted, 1 rows and 0 files set aside; 2 older versions of 4 rows are replaced"
    ]
    dataset = company.dataset("erp_orders")
    mend(
        "erp_orders",
        bind(company.settings, dataset),
        dataset,
        "orders/2025-01-07.csv",
        3,
        "B2;1;a1;S1;2025-01-07;5;2.50",
        timezone="UTC",
        zone=company.zone,
        lake=company.lake,
        engine=company.engine,
        now=datetime(2025, 3, 1),
    )
    assert told(company) == [
        "erp_orders 2 files 85 rows 85 accepted (1 mended); 2 older versions of 4 rows are replaced"
    ]
