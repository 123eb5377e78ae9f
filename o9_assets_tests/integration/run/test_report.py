"""The report at the end of a run tells what holds, and what is set aside with an example of each reason."""

from __future__ import annotations

import json
import shlex
from datetime import date, datetime
from pathlib import Path

import dagster as dg
import pytest

from o9_assets.definitions import build_defs
from o9_assets.deployment import local
from o9_assets.exchange.delivery import Asked
from o9_assets.landing.accepted import standing_view
from o9_assets.landing.replay import mend
from o9_assets.planning.settings import bind, parse
from o9_assets.run.report import came_in, corrections_held
from o9_assets_tests.company import SETTINGS, Company
from o9_assets_tests.exchange import Exchange, cell


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


def test_corrections_that_wait_are_told_with_the_command_that_approves_them(tmp_path: Path) -> None:
    text = SETTINGS.replace("forecast:", "  corrections: hold\nforecast:", 1)
    deployment, exchange = local(parse(text), tmp_path), Exchange(tmp_path / "test", settings=parse(text))

    def told() -> list[str]:
        with exchange.engine.connect() as con:
            return corrections_held(con, exchange.lake, deployment)

    exchange.history(cell(date(2025, 1, 6), orders="5"), cell(date(2025, 1, 6), "B", "7"))
    exchange.deliver()
    assert told() == []
    exchange.history(cell(date(2025, 1, 6), orders="4"), cell(date(2025, 1, 6), "B", "6"))
    exchange.deliver()
    line, command = told()
    assert line.startswith("  2 corrections wait for approval since 2025-03-01 08:00 UTC")
    config = json.loads(shlex.split(command)[-1])
    job = build_defs(deployment).get_repository_def().get_implicit_global_asset_job_def()
    asked = job.get_subset(asset_selection={dg.AssetKey(["o9", "demand_export"])})
    assert dg.validate_run_config(asked, config)
    exchange.deliver(asked=Asked(**config["ops"]["o9__demand_export"]["config"]))
    assert told() == []
